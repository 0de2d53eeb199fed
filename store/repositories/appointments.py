"""Lists and single rows, as the caller: :class:`~actors.ports.appointments.Appointments`."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from actors.domain.announcements import MOVED_AWAY
from actors.domain.appointment import Appointment, Status
from actors.domain.author import Author
from actors.domain.channels import Channel, dentist_channel, patient_channel
from actors.domain.ids import AppointmentId, DentistId, PatientId, ProfileId
from actors.domain.principal import Principal, Role
from actors.ports.appointments import (
    AppointmentPage,
    AppointmentQuery,
    HistoryEntry,
)
from actors.ports.clock import Clock
from actors.ports.rendering import Names
from store.repositories.event_log import positions
from store.sql.codec import APPOINTMENT
from store.sql.readers import Readers
from store.sql.schema import WAS_BOOKED, appointments, audit_log, profiles
from store.sql.types import Instant

Condition = sa.ColumnElement[bool] | sa.TextClause
Columns = ReadOnlyColumnCollection[str, Any]

_patient, _dentist = profiles.alias("patient"), profiles.alias("dentist")

HISTORY_MAX = 1_000
"""Entries shown of one appointment: far more than it is ever changed."""

_l = audit_log.c
_HISTORY: tuple[sa.Column[Any], ...] = (
    _l.at,
    _l.action,
    _l.role,
    _l.on_behalf_of,
    _l.acting,
    _l.old_status,
    _l.new_status,
    _l.old_starts_at,
    _l.new_starts_at,
    _l.old_ends_at,
    _l.new_ends_at,
    _l.version,
)


def _history_entry(row: sa.Row[Any], *, named: bool) -> HistoryEntry:
    role = Role(row.role)
    author = Author(role=role)
    if named and row.name is not None:  # a person whom the caller sees
        author = Author(role=role, id=row.on_behalf_of, name=row.name)
    return HistoryEntry(
        at=row.at,
        action=row.action,
        by=author,
        via=Role.CHATBOT if row.acting else role,
        old_status=Status(row.old_status) if row.old_status else None,
        new_status=Status(row.new_status),
        old_start=row.old_starts_at,
        new_start=row.new_starts_at,
        old_end=row.old_ends_at,
        new_end=row.new_ends_at,
        version=row.version,
    )


class AppointmentRepository:
    def __init__(self, readers: Readers, clock: Clock) -> None:
        self._readers = readers
        self._clock = clock

    async def page(self, principal: Principal, query: AppointmentQuery) -> AppointmentPage:
        visible, channels = _visible_to(principal)
        if query.dentist_ids and principal.role is Role.STAFF:
            wanted = set(map(dentist_channel, query.dentist_ids))
            channels = tuple(each for each in channels if each in wanted)
        matching = (visible, *self._filters(query))
        counting = sa.select(sa.func.count()).select_from(appointments).where(*matching)
        async with self._readers.caller(principal) as connection:
            found = (await connection.execute(_page(query, matching))).all()
            total = (await connection.execute(counting)).scalar_one()
            heads = await positions(connection, channels)
        rows = tuple(APPOINTMENT.read(row) for row in found[: query.limit])
        return AppointmentPage(
            rows=rows,
            names=_names(found),
            total=total,
            next_after=(rows[-1].start, rows[-1].id) if len(found) > len(rows) else None,
            positions=heads,
        )

    async def get(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> tuple[Appointment, Names] | None:
        query = _with_names(appointments.c).where(
            _visible_to(principal)[0], appointments.c.id == appointment_id
        )
        async with self._readers.caller(principal) as connection:
            row = (await connection.execute(query)).one_or_none()
        return (APPOINTMENT.read(row), _names([row])) if row else None

    async def some(
        self, principal: Principal, ids: Sequence[AppointmentId]
    ) -> tuple[tuple[Appointment, ...], Names]:
        a = appointments.c
        query = _with_names(a).where(_visible_to(principal)[0], a.id.in_(ids))
        async with self._readers.caller(principal) as connection:
            found = (await connection.execute(query.order_by(a.starts_at, a.id))).all()
        return tuple(APPOINTMENT.read(row) for row in found), _names(found)

    async def history(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> Sequence[HistoryEntry] | None:
        row = sa.select(appointments.c.id).where(
            _visible_to(principal)[0], appointments.c.id == appointment_id
        )
        of_this = (
            _l.resource_kind == "appointment",
            _l.resource_id == appointment_id,
            _l.action != MOVED_AWAY,  # the other calendar's row of a move
        )
        cut = sa.select(*_HISTORY, _l.id).where(*of_this).order_by(_l.id).limit(HISTORY_MAX)
        entry, person = cut.subquery("entry"), profiles.alias("person")
        entries = (
            sa.select(entry, person.c.name)
            .outerjoin(person, person.c.id == entry.c.on_behalf_of)
            .order_by(entry.c.id)
        )
        async with self._readers.caller(principal) as connection:
            if (await connection.execute(row)).one_or_none() is None:
                return None
            found = (await connection.execute(entries)).all()
        named = principal.works_at_practice
        return tuple(_history_entry(each, named=named) for each in found)

    def _filters(self, query: AppointmentQuery) -> list[Condition]:
        a = appointments.c
        wanted = {
            a.patient_id: query.patient_id,
            a.appointment_type_id: query.appointment_type_id,
        }
        filters: list[Condition] = [
            column == one for column, one in wanted.items() if one is not None
        ]
        if query.dentist_ids:
            filters.append(a.dentist_id.in_(query.dentist_ids))
        if query.updated_since is not None:
            filters.append(a.updated_at >= query.updated_since)
        if query.starts_from is not None:
            filters.append(a.starts_at >= query.starts_from)
        if query.starts_before is not None:
            filters.append(a.starts_at < query.starts_before)
        if not query.statuses:
            return [*filters, WAS_BOOKED]
        filters.append(a.status.in_(sorted(query.statuses)))
        if Status.HELD in query.statuses:
            # An overdue hold is over, even if no timer has expired it.
            overdue = a.expires_at <= self._clock.now()
            filters.append(sa.or_(a.status != Status.HELD.value, sa.not_(overdue)))
        return filters


def _visible_to(principal: Principal) -> tuple[sa.ColumnElement[bool], tuple[Channel, ...]]:
    """The rows that a principal sees, and the channels of exactly these rows.

    Deny by default (criteria 5.3, 5.4): a dentist sees the own calendar, staff those of the
    practice, a patient the own rows, everyone else nothing.
    """
    person = principal.person
    if person is not None and principal.role is Role.DENTIST:
        return appointments.c.dentist_id == person, (dentist_channel(DentistId(person)),)
    if principal.role is Role.STAFF:
        calendars = principal.calendars
        return appointments.c.dentist_id.in_(calendars), tuple(map(dentist_channel, calendars))
    if person is not None and principal.role is Role.PATIENT:
        return appointments.c.patient_id == person, (patient_channel(PatientId(person)),)
    return sa.false(), ()


def _page(query: AppointmentQuery, matching: Sequence[Condition]) -> sa.Select[Any]:
    """One row more than the limit, which shows whether there is a next page.

    The page is cut before it is joined to names, because row security checks person by person:
    so it checks those of the page, and not of the whole calendar.
    """
    a = appointments.c
    cut = sa.select(*APPOINTMENT.columns).where(*matching).limit(query.limit + 1)
    cut = cut.where(_after(query)) if query.after else cut
    page = cut.order_by(*_order(a, query)).subquery("page").c
    return _with_names(page).order_by(*_order(page, query))


def _order(columns: Columns, query: AppointmentQuery) -> tuple[sa.ColumnElement[Any], ...]:
    place = (columns.starts_at, columns.id)
    return tuple(column.desc() for column in place) if query.descending else place


def _after(query: AppointmentQuery) -> sa.ColumnElement[bool]:
    assert query.after
    start, row_id = query.after
    place = sa.tuple_(appointments.c.starts_at, appointments.c.id)
    last = sa.tuple_(sa.literal(start, Instant), sa.literal(row_id))
    return place < last if query.descending else place > last


def _with_names(rows: Columns) -> sa.Select[Any]:
    """``rows`` has at least :data:`APPOINTMENT.columns`."""
    shown = [rows[column.name] for column in APPOINTMENT.columns]
    return (
        sa.select(*shown, _patient.c.name.label("patient"), _dentist.c.name.label("dentist"))
        .join(_patient, _patient.c.id == rows.patient_id)
        .join(_dentist, _dentist.c.id == rows.dentist_id)
    )


def _names(rows: Iterable[sa.Row[Any]]) -> Names:
    names: dict[ProfileId, str] = {}
    for row in rows:
        names[row.patient_id], names[row.dentist_id] = row.patient, row.dentist
    return names
