"""A small in-memory hub for the chatbot's client, with the real hub's refusals.

tests/acceptance/test_patient_calendar.py runs over this and over the real hub.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import TypeVar, Unpack, cast
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.patient_calendar import PatientCalendar, written
from chairside.client import ConnectionLost, FreeSlot, HubError, RestCommands
from chairside.client.commands import Operation, ResultT
from chairside.client.shapes import (
    Appointment,
    AppointmentFilters,
    AppointmentList,
    AppointmentType,
    ConsentToMessages,
    DentistCard,
    Profile,
    Reservation,
    Slot,
    SlotList,
)

T = TypeVar("T")

HOLD = timedelta(minutes=5)
HOLDS_MAX = 3
AHEAD_MAX = 10
STEP = timedelta(minutes=15)
_NOT_ASKED: ConsentToMessages = {"given": False, "at": None, "source": None}


@dataclass
class HandClock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class _Row:
    appointment: OwnAppointment
    patient: str
    expires_at: datetime | None = None


@dataclass
class Calendars:
    """What all patients share. Every dentist works 08:00-18:00 on weekdays, local time."""

    facts: Facts
    clock: HandClock
    rows: dict[str, _Row] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    """Dentist and ISO date of days off."""
    ids: "count[int]" = field(default_factory=lambda: count(1))
    lost: int = 0
    """The number of next commands that are executed, but whose response is lost."""

    def patient(self, name: str) -> "MemoryHub":
        return MemoryHub(self, name)

    def live(self, dentist_id: str) -> list[_Row]:
        return [
            row
            for row in self.rows.values()
            if row.appointment.dentist_id == dentist_id
            and (row.appointment.status == "confirmed" or self.is_held(row))
        ]

    def is_held(self, row: _Row) -> bool:
        return row.appointment.status == "held" and bool(
            row.expires_at and self.clock.now < row.expires_at
        )

    def is_free(self, slot: FreeSlot, patient: str, but: str | None = None) -> bool:
        return not any(
            row.appointment.start < slot.end and row.appointment.end > slot.start
            for row in self.live(slot.dentist_id)
            if row.appointment.id != but and not (self.is_held(row) and row.patient == patient)
        )

    def is_open(self, slot: FreeSlot) -> bool:
        zone = self.zone(slot.dentist_id)
        begin, end = slot.start.astimezone(zone), slot.end.astimezone(zone)
        opens = datetime.combine(begin.date(), time(8), zone)
        closes = datetime.combine(begin.date(), time(18), zone)
        on_grid = (slot.start - opens.astimezone(UTC)) % STEP == timedelta()
        closed = (slot.dentist_id, begin.date().isoformat()) in self.closed
        return begin.weekday() < 5 and opens <= begin and end <= closes and on_grid and not closed

    def zone(self, dentist_id: str) -> ZoneInfo:
        dentist = self.facts.dentist(dentist_id)
        assert dentist
        return ZoneInfo(dentist.time_zone)


class MemoryHub(RestCommands):
    """The commands of one patient."""

    def __init__(self, shared: Calendars, patient: str) -> None:
        self._shared, self._patient = shared, patient

    @property
    def calendar(self) -> PatientCalendar:
        clock = self._shared.clock
        return PatientCalendar(self, clock, clock.monotonic)

    def booked(self, slot: FreeSlot) -> OwnAppointment:
        """Book without checks."""
        return self._add(slot, "confirmed").appointment

    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT:
        raise NotImplementedError(operation.event)

    # --- lists -----------------------------------------------------------------------------

    async def me(self) -> Profile:
        return {
            "id": self._patient,
            "role": "patient",
            "name": self._patient,
            "email": None,
            "phone": None,
            "time_zone": self._shared.facts.time_zone,
            "practice_id": None,
            "active": True,
            "date_of_birth": None,
            "language": None,
            "consent": {"email": _NOT_ASKED, "sms": _NOT_ASKED},
            "version": 1,
        }

    async def dentists(self) -> list[DentistCard]:
        return [
            {
                "id": one.id,
                "name": one.name,
                "time_zone": one.time_zone,
                "practice_id": None,
                "active": True,
            }
            for one in self._shared.facts.dentists
        ]

    async def appointment_types(self) -> list[AppointmentType]:
        minute = timedelta(minutes=1)
        return [
            {
                "id": one.id,
                "name": one.name,
                "duration_minutes": one.minutes,
                "buffer_before_minutes": one.times.before // minute,
                "buffer_after_minutes": one.times.after // minute,
                "description": None,
                "order": 0,
                "color": None,
                "bookable_by": ["patient", "staff"],
                "reminder_hours": None,
                "active": True,
                "practice_id": None,
                "version": 1,
            }
            for one in self._shared.facts.treatments
        ]

    async def find_slots(
        self,
        *,
        appointment_type_id: str,
        starts_from: str,
        starts_before: str,
        dentist_ids: Sequence[str] = (),
        time_from: str | None = None,
        time_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SlotList:
        shared, treatment = self._shared, self._shared.facts.treatment(appointment_type_id)
        assert treatment, "the chatbot searches known treatments only"
        found: list[FreeSlot] = []
        start = max(datetime.fromisoformat(starts_from), shared.clock.now)
        start += (datetime.min.replace(tzinfo=UTC) - start) % STEP
        while start < datetime.fromisoformat(starts_before):
            for dentist_id in shared.facts.ids(dentist_ids):
                slot = FreeSlot(dentist_id, treatment.id, start, start + treatment.times.duration)
                clock = f"{start.astimezone(shared.zone(dentist_id)):%H:%M}"
                if (
                    (time_from is None or clock >= time_from)
                    and (time_to is None or clock < time_to)
                    and shared.is_open(slot)
                    and shared.is_free(slot, self._patient)
                ):
                    found.append(slot)
            start += STEP
        return {
            "data": [_slot(slot) for slot in found[:500]],
            "pagination": {"limit": 500, "next_cursor": None, "total": None},
            "positions": [],
        }

    async def appointments(self, **filters: Unpack[AppointmentFilters]) -> AppointmentList:
        first, before = (
            datetime.fromisoformat(filters[name]) if name in filters else limit  # type: ignore[literal-required]  # one of two names
            for name, limit in (("from_", _EARLIEST), ("to", _LATEST))
        )
        rows = [
            self._shown(row)
            for row in self._shared.rows.values()
            if row.patient == self._patient
            and row.appointment.status not in ("held", "released")
            and first <= row.appointment.start < before
        ]
        pagination = {"limit": 500, "next_cursor": None, "total": None}
        return cast(
            "AppointmentList",
            {
                "data": rows,
                "pagination": pagination,
                "position": None,
                "positions": [],
            },
        )

    # --- commands --------------------------------------------------------------------------

    async def hold(
        self, *, dentist_id: str, appointment_type_id: str, start: str, key: str | None = None
    ) -> Reservation:
        shared, treatment = self._shared, self._shared.facts.treatment(appointment_type_id)
        assert treatment
        first = datetime.fromisoformat(start)
        slot = FreeSlot(dentist_id, treatment.id, first, first + treatment.times.duration)
        for row in shared.rows.values():
            is_same = (row.appointment.start, row.appointment.dentist_id) == (first, dentist_id)
            if is_same and row.patient == self._patient and shared.is_held(row):
                return self._reservation(row)
        self._check(slot)
        held = [r for r in shared.rows.values() if r.patient == self._patient and shared.is_held(r)]
        if len(held) >= HOLDS_MAX:
            raise HubError("TOO_MANY_RESERVATIONS", "enough")
        ahead = [
            row
            for row in shared.rows.values()
            if row.patient == self._patient
            and row.appointment.status == "confirmed"
            and row.appointment.start > shared.clock.now
        ]
        if len(held) + len(ahead) >= AHEAD_MAX:
            raise HubError("TOO_MANY_APPOINTMENTS", "enough")
        row = self._add(slot, "held")
        row.expires_at = shared.clock.now + HOLD
        return self._respond(self._reservation(row))

    async def release(self, reservation_id: str, *, key: str | None = None) -> None:
        row = self._own(reservation_id)
        if row.appointment.status == "held":
            row.appointment = replace(row.appointment, status="released")

    async def book_reservation(
        self, reservation_id: str, *, notes: str | None = None, key: str | None = None
    ) -> Appointment:
        row = self._own(reservation_id)
        if row.appointment.status == "confirmed":
            return self._shown(row)
        if not self._shared.is_held(row):
            raise HubError("RESERVATION_EXPIRED", "over")
        self._check_elsewhere(row.appointment.slot)
        return self._respond(self._change(row, status="confirmed"))

    async def change(
        self,
        appointment_id: str,
        *,
        version: int | None = None,
        key: str | None = None,
        **fields: object,
    ) -> Appointment:
        row = self._own(appointment_id)
        start, before = datetime.fromisoformat(str(fields["start"])), row.appointment
        if before.start == start:
            return self._shown(row)
        self._check_version(row, version)
        slot = replace(before.slot, start=start, end=start + (before.end - before.start))
        self._check(slot, but=before.id)
        self._check_elsewhere(slot, but=before.id)
        for other in self._shared.rows.values():
            if other.patient == self._patient and self._shared.is_held(other):
                other.appointment = replace(other.appointment, status="released")
        return self._respond(self._change(row, start=slot.start, end=slot.end))

    async def cancel(
        self,
        appointment_id: str,
        *,
        reason: str | None = None,
        version: int | None = None,
        key: str | None = None,
    ) -> None:
        row = self._own(appointment_id)
        if row.appointment.status == "cancelled":
            return
        self._check_version(row, version)
        self._change(row, status="cancelled")
        self._respond(None)

    # --- rules ---------------------------------------------------------------------------

    def _check(self, slot: FreeSlot, but: str | None = None) -> None:
        if slot.start < self._shared.clock.now:
            raise HubError("TOO_SOON", "past")
        if not self._shared.is_open(slot):
            raise HubError("OUTSIDE_AVAILABILITY", "closed")
        if not self._shared.is_free(slot, self._patient, but):
            raise HubError("SLOT_TAKEN", "taken")

    def _check_elsewhere(self, wanted: FreeSlot, but: str | None = None) -> None:
        for row in self._shared.rows.values():
            is_own = row.patient == self._patient and row.appointment.status == "confirmed"
            overlaps = row.appointment.start < wanted.end and row.appointment.end > wanted.start
            if is_own and overlaps and row.appointment.id != but:
                raise HubError("PATIENT_CONFLICT", "elsewhere")

    def _check_version(self, row: _Row, version: int | None) -> None:
        if row.appointment.status != "confirmed":
            raise HubError("INVALID_TRANSITION", "over")
        if row.appointment.version != version:
            raise HubError("VERSION_CONFLICT", "changed")

    def _own(self, row_id: str) -> _Row:
        row = self._shared.rows.get(row_id)
        if row is None or row.patient != self._patient:
            raise HubError("NOT_FOUND", "none")
        return row

    def _add(self, slot: FreeSlot, status: str) -> _Row:
        appointment = OwnAppointment(
            id=f"row-{next(self._shared.ids)}",
            dentist_id=slot.dentist_id,
            appointment_type_id=slot.appointment_type_id,
            start=slot.start,
            end=slot.end,
            status=status,
            version=1,
        )
        row = self._shared.rows[appointment.id] = _Row(appointment, self._patient)
        return row

    def _change(self, row: _Row, **changes: object) -> Appointment:
        row.appointment = replace(row.appointment, version=row.appointment.version + 1, **changes)  # type: ignore[arg-type]  # field names are this module's own
        return self._shown(row)

    def _respond(self, response: T) -> T:
        if self._shared.lost > 0:
            self._shared.lost -= 1
            raise ConnectionLost
        return response

    # --- JSON ------------------------------------------------------------------------------

    def _shown(self, row: _Row) -> Appointment:
        """The fields that the chatbot reads of an appointment; the hub sends more."""
        one = row.appointment
        shown = {"id": one.id, "status": one.status, "version": one.version, **_slot(one.slot)}
        return cast("Appointment", shown)

    def _reservation(self, row: _Row) -> Reservation:
        assert row.expires_at
        expires_at, one = written(row.expires_at), row.appointment
        return {
            "id": one.id,
            "patient_id": row.patient,
            "expires_at": expires_at,
            **_slot(one.slot),
        }


_EARLIEST, _LATEST = (moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max))


def _slot(slot: FreeSlot) -> Slot:
    return {
        "dentist_id": slot.dentist_id,
        "appointment_type_id": slot.appointment_type_id,
        "start": written(slot.start),
        "end": written(slot.end),
    }
