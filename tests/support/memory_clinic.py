"""A clinic in memory behind the chatbot's port: small, but it refuses what the hub refuses.

The tests of the port run over it and over the real hub alike, so it may stand in for it.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import TypeVar
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import (
    ClinicRefused,
    ClinicUnreachable,
    Facts,
    Hold,
    OwnAppointment,
    SlotQuery,
)
from chairside.client import FreeSlot

T = TypeVar("T")

HOLD = timedelta(minutes=5)
HOLDS_MAX = 3
STEP = timedelta(minutes=15)


@dataclass
class ClockTimes:
    now: datetime

    def __call__(self) -> datetime:
        return self.now

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
    clock: ClockTimes
    rows: dict[str, _Row] = field(default_factory=dict)
    replies: dict[tuple[str, str], object] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    """Dentist and ISO date of days off."""
    ids: "count[int]" = field(default_factory=lambda: count(1))
    lost: int = 0
    """So many of the next commands are carried out, but their answer is lost."""

    def patient(self, name: str) -> "MemoryClinic":
        return MemoryClinic(self, name)

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
        dentist = self.facts.dentist(slot.dentist_id)
        assert dentist
        zone = ZoneInfo(dentist.time_zone)
        begin, end = slot.start.astimezone(zone), slot.end.astimezone(zone)
        opens = datetime.combine(begin.date(), time(8), zone)
        closes = datetime.combine(begin.date(), time(18), zone)
        on_grid = (slot.start - opens.astimezone(UTC)) % STEP == timedelta()
        closed = (slot.dentist_id, begin.date().isoformat()) in self.closed
        return begin.weekday() < 5 and opens <= begin and end <= closes and on_grid and not closed


class MemoryClinic:
    """One patient's view."""

    def __init__(self, shared: Calendars, patient: str) -> None:
        self._shared, self._patient = shared, patient

    async def facts(self) -> Facts:
        return self._shared.facts

    async def slots(self, query: SlotQuery) -> tuple[FreeSlot, ...]:
        shared, kind = self._shared, self._shared.facts.treatment(query.appointment_type_id)
        assert kind, "only known types are asked for"
        found: list[FreeSlot] = []
        start = max(query.first, shared.clock.now)
        start += (datetime.min.replace(tzinfo=UTC) - start) % STEP
        while start < query.before:
            for dentist in shared.facts.dentists:
                if query.dentist_ids and dentist.id not in query.dentist_ids:
                    continue
                slot = FreeSlot(
                    dentist_id=dentist.id,
                    appointment_type_id=kind.id,
                    start=start,
                    end=start + timedelta(minutes=kind.minutes),
                )
                clock = start.astimezone(ZoneInfo(dentist.time_zone)).time()
                if (
                    (query.time_from is None or clock >= query.time_from)
                    and (query.time_to is None or clock < query.time_to)
                    and shared.is_open(slot)
                    and shared.is_free(slot, self._patient)
                ):
                    found.append(slot)
            start += STEP
        return tuple(found[:500])

    async def mine(self) -> tuple[OwnAppointment, ...]:
        rows = [
            row.appointment
            for row in self._shared.rows.values()
            if row.patient == self._patient and row.appointment.status not in ("held", "released")
        ]
        return tuple(sorted(rows, key=lambda appointment: appointment.start))

    async def hold(self, slot: FreeSlot, key: str) -> Hold:
        shared = self._shared
        for row in shared.rows.values():
            same = (row.appointment.start, row.appointment.dentist_id) == (
                slot.start,
                slot.dentist_id,
            )
            if same and row.patient == self._patient and shared.is_held(row):
                return self._hold(row)
        self._check(slot)
        held = [r for r in shared.rows.values() if r.patient == self._patient and shared.is_held(r)]
        if len(held) >= HOLDS_MAX:
            raise ClinicRefused("TOO_MANY_RESERVATIONS", "enough")
        row = self._add(slot, "held")
        row.expires_at = shared.clock.now + HOLD
        return self._answered(self._hold(row))

    async def release(self, hold_id: str, key: str) -> None:
        row = self._own(hold_id)
        if row.appointment.status == "held":
            row.appointment = replace(row.appointment, status="released")

    async def book(self, hold_id: str, key: str) -> OwnAppointment:
        row = self._own(hold_id)
        if row.appointment.status == "confirmed":
            return row.appointment
        if not self._shared.is_held(row):
            raise ClinicRefused("RESERVATION_EXPIRED", "over")
        self._check_elsewhere(row.appointment)
        return self._answered(self._change(row, status="confirmed"))

    async def move(self, appointment: OwnAppointment, start: datetime, key: str) -> OwnAppointment:
        row = self._own(appointment.id)
        if row.appointment.start == start:
            return row.appointment
        self._check_version(row, appointment)
        slot = FreeSlot(
            dentist_id=appointment.dentist_id,
            appointment_type_id=appointment.appointment_type_id,
            start=start,
            end=start + (appointment.end - appointment.start),
        )
        self._check(slot, but=appointment.id)
        self._check_elsewhere(slot, but=appointment.id)
        for other in self._shared.rows.values():
            if other.patient == self._patient and self._shared.is_held(other):
                other.appointment = replace(other.appointment, status="released")
        return self._answered(self._change(row, start=slot.start, end=slot.end))

    async def cancel(self, appointment: OwnAppointment, key: str) -> None:
        row = self._own(appointment.id)
        if row.appointment.status == "cancelled":
            return
        self._check_version(row, appointment)
        self._change(row, status="cancelled")
        self._answered(None)

    # --- for tests -----------------------------------------------------------------------

    def booked(self, slot: FreeSlot) -> OwnAppointment:
        return self._add(slot, "confirmed").appointment

    # --- rules ---------------------------------------------------------------------------

    def _check(self, slot: FreeSlot, but: str | None = None) -> None:
        if slot.start < self._shared.clock.now:
            raise ClinicRefused("TOO_SOON", "past")
        if not self._shared.is_open(slot):
            raise ClinicRefused("OUTSIDE_AVAILABILITY", "closed")
        if not self._shared.is_free(slot, self._patient, but):
            raise ClinicRefused("SLOT_TAKEN", "taken")

    def _check_elsewhere(self, wanted: FreeSlot | OwnAppointment, but: str | None = None) -> None:
        for row in self._shared.rows.values():
            mine = row.patient == self._patient and row.appointment.status == "confirmed"
            overlaps = row.appointment.start < wanted.end and row.appointment.end > wanted.start
            if mine and overlaps and row.appointment.id != but:
                raise ClinicRefused("PATIENT_CONFLICT", "elsewhere")

    def _check_version(self, row: _Row, appointment: OwnAppointment) -> None:
        if row.appointment.status != "confirmed":
            raise ClinicRefused("INVALID_TRANSITION", "over")
        if row.appointment.version != appointment.version:
            raise ClinicRefused("VERSION_CONFLICT", "changed")

    def _own(self, row_id: str) -> _Row:
        row = self._shared.rows.get(row_id)
        if row is None or row.patient != self._patient:
            raise ClinicRefused("NOT_FOUND", "none")
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

    def _change(self, row: _Row, **changes: object) -> OwnAppointment:
        row.appointment = replace(row.appointment, version=row.appointment.version + 1, **changes)  # type: ignore[arg-type]  # field names are this module's own
        return row.appointment

    def _hold(self, row: _Row) -> Hold:
        appointment = row.appointment
        assert row.expires_at
        slot = FreeSlot(
            dentist_id=appointment.dentist_id,
            appointment_type_id=appointment.appointment_type_id,
            start=appointment.start,
            end=appointment.end,
        )
        return Hold(id=appointment.id, slot=slot, expires_at=row.expires_at)

    def _answered(self, answer: T) -> T:
        if self._shared.lost > 0:
            self._shared.lost -= 1
            raise ClinicUnreachable
        return answer
