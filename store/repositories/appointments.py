"""Lists and single rows, as the caller: :class:`~actors.ports.appointments.Appointments`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, not_, or_, select, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentId, ProfileId
from actors.domain.principal import Principal, Role
from actors.ports.appointments import AppointmentPage, AppointmentQuery, HistoryEntry
from actors.ports.clock import Clock
from actors.ports.rendering import Names
from store.repositories.positions import positions
from store.repositories.visible import own_appointments_channel, visible_appointments
from store.sql.codec import APPOINTMENT
from store.sql.readers import Readers
from store.sql.schema import WAS_BOOKED, appointments, audit_log, profiles
from store.sql.types import Instant

Columns = ReadOnlyColumnCollection[str, Any]

_patient, _dentist = profiles.alias("patient"), profiles.alias("dentist")

HISTORY_MAX = 1_000
"""Entries shown of one appointment: far more than anybody changes one."""

_l = audit_log.c
_HISTORY_COLUMNS = (
    _l.at,
    _l.action,
    _l.role,
    _l.acting,
    _l.old_status,
    _l.new_status,
    _l.old_starts_at,
    _l.new_starts_at,
    _l.old_ends_at,
    _l.new_ends_at,
    _l.version,
)


def _history_entry(row: Sequence[Any]) -> HistoryEntry:
    """From the values of ``_HISTORY_COLUMNS``."""
    return HistoryEntry(
        at=row[0],
        action=row[1],
        by=Role(row[2]),
        via=Role.CHATBOT if row[3] else Role(row[2]),
        old_status=Status(row[4]) if row[4] else None,
        new_status=Status(row[5]),
        old_start=row[6],
        new_start=row[7],
        old_end=row[8],
        new_end=row[9],
        version=row[10],
    )


class AppointmentRepository:
    def __init__(self, readers: Readers, clock: Clock) -> None:
        self._readers = readers
        self._clock = clock

    async def page(self, principal: Principal, query: AppointmentQuery) -> AppointmentPage:
        matching = (visible_appointments(principal), *self._filters(query))
        counting = select(func.count()).select_from(appointments).where(*matching)
        channel = own_appointments_channel(principal)
        async with self._readers.caller(principal) as connection:
            found = (await connection.execute(_page(query, matching))).all()
            total = (await connection.execute(counting)).scalar_one()
            heads = await positions(connection, [channel] if channel else [])
        rows = tuple(APPOINTMENT.read(row) for row in found[: query.limit])
        return AppointmentPage(
            rows=rows,
            names=_names(found),
            total=total,
            next_after=(rows[-1].start, rows[-1].id) if len(found) > len(rows) else None,
            position=(channel, heads[channel]) if channel else None,
        )

    async def get(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> tuple[Appointment, Names] | None:
        query = _with_names(appointments.c).where(
            visible_appointments(principal), appointments.c.id == appointment_id
        )
        async with self._readers.caller(principal) as connection:
            row = (await connection.execute(query)).one_or_none()
        return (APPOINTMENT.read(row), _names([row])) if row else None

    async def history(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> Sequence[HistoryEntry] | None:
        row = select(appointments.c.id).where(
            visible_appointments(principal), appointments.c.id == appointment_id
        )
        entries = (
            select(*_HISTORY_COLUMNS)
            .where(
                audit_log.c.resource_kind == "appointment",
                audit_log.c.resource_id == appointment_id,
            )
            .order_by(audit_log.c.id)
            .limit(HISTORY_MAX)
        )
        async with self._readers.caller(principal) as connection:
            if (await connection.execute(row)).one_or_none() is None:
                return None
            found = (await connection.execute(entries)).all()
        return tuple(_history_entry(tuple(entry)) for entry in found)

    def _filters(self, query: AppointmentQuery) -> list[Any]:
        a = appointments.c
        wanted = {
            a.dentist_id: query.dentist_id,
            a.patient_id: query.patient_id,
            a.appointment_type_id: query.appointment_type_id,
        }
        filters: list[Any] = [column == one for column, one in wanted.items() if one is not None]
        if query.starts_from is not None:
            filters.append(a.starts_at >= query.starts_from)
        if query.starts_before is not None:
            filters.append(a.starts_at < query.starts_before)
        if not query.statuses:
            return [*filters, WAS_BOOKED]
        filters.append(a.status.in_(sorted(query.statuses)))
        if Status.HELD in query.statuses:  # the clock decides, not whether a timer has run
            overdue = a.expires_at <= self._clock.now()
            filters.append(or_(a.status != Status.HELD.value, not_(overdue)))
        return filters


def _page(query: AppointmentQuery, matching: tuple[Any, ...]) -> Select[Any]:
    """One row more than asked for tells whether there is a next page.

    The page is cut before names are looked up: whose they are is asked of the database's
    rules person by person, so for the rows of the page and not of the whole calendar.
    """
    a = appointments.c
    cut = select(*APPOINTMENT.columns).where(*matching).limit(query.limit + 1)
    cut = cut.where(_beyond(query)) if query.after else cut
    page = cut.order_by(*_order(a, query)).subquery("page").c
    return _with_names(page).order_by(*_order(page, query))


def _order(columns: Columns, query: AppointmentQuery) -> tuple[ColumnElement[Any], ...]:
    place = (columns.starts_at, columns.id)
    return tuple(column.desc() for column in place) if query.descending else place


def _beyond(query: AppointmentQuery) -> ColumnElement[bool]:
    assert query.after
    a = appointments.c
    start, row_id = query.after
    place, last = tuple_(a.starts_at, a.id), tuple_(literal(start, Instant), literal(row_id))
    return place < last if query.descending else place > last


def _with_names(rows: Columns) -> Select[Any]:
    """``rows`` has at least :data:`APPOINTMENT.columns`."""
    shown = [rows[column.name] for column in APPOINTMENT.columns]
    return (
        select(*shown, _patient.c.name, _dentist.c.name)
        .join(_patient, _patient.c.id == rows.patient_id)
        .join(_dentist, _dentist.c.id == rows.dentist_id)
    )


def _names(rows: Any) -> Names:
    names: dict[ProfileId, str] = {}
    for row in rows:
        *_, patient, dentist = row
        names[row[2]], names[row[1]] = patient, dentist
    return names
