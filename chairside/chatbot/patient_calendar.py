"""The port over a hub: one patient's view through the Python client."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Protocol, TypeVar, Unpack

from chairside.chatbot.clinic import (
    ClinicRefused,
    ClinicUnreachable,
    Facts,
    Hold,
    OwnAppointment,
    Practitioner,
    SlotQuery,
    Treatment,
)
from chairside.client import ConnectionLost, FreeSlot, HubError
from chairside.client.operations import SLOTS, Operation, ResultT
from chairside.client.shapes import (
    Appointment,
    AppointmentFilters,
    AppointmentList,
    AppointmentType,
    DentistCard,
    Profile,
    Reservation,
)

FACTS_FOR_S: Final = 60.0
"""How long names of dentists and types are kept; times are always asked for."""
PAGES_MAX: Final = 4
PAGE: Final = 200
PAST: Final = timedelta(days=2 * 365)
"""How far back the usual dentist is looked for."""
DEFAULT_ZONE: Final = "UTC"

T = TypeVar("T")


class Hub(Protocol):
    """What of the client is used; :class:`chairside.client.HubClient` is one."""

    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT: ...
    async def hold(
        self, *, dentist_id: str, appointment_type_id: str, start: str, key: str | None = None
    ) -> Reservation: ...
    async def release(self, reservation_id: str, *, key: str | None = None) -> None: ...
    async def book_reservation(
        self, reservation_id: str, *, notes: str | None = None, key: str | None = None
    ) -> Appointment: ...
    async def change(
        self,
        appointment_id: str,
        *,
        version: int | None = None,
        key: str | None = None,
        **fields: Any,
    ) -> Appointment: ...
    async def cancel(
        self,
        appointment_id: str,
        *,
        reason: str | None = None,
        version: int | None = None,
        key: str | None = None,
    ) -> None: ...
    async def me(self) -> Profile: ...
    async def dentists(self) -> list[DentistCard]: ...
    async def appointment_types(self) -> list[AppointmentType]: ...
    async def appointments(self, **filters: Unpack[AppointmentFilters]) -> AppointmentList: ...


@dataclass(slots=True)
class _Known:
    facts: Facts
    until: float


class PatientCalendar:
    """``now`` and ``monotonic`` are the caller's clocks."""

    def __init__(
        self, hub: Hub, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._hub, self._now, self._monotonic = hub, now, monotonic
        self._known: _Known | None = None

    async def facts(self) -> Facts:
        known = self._known
        if known is None or self._monotonic() >= known.until:
            known = _Known(await _asked(self._load_facts()), self._monotonic() + FACTS_FOR_S)
            self._known = known
        return known.facts

    async def _load_facts(self) -> Facts:
        me, dentists, types = await asyncio.gather(
            self._hub.me(), self._hub.dentists(), self._hub.appointment_types()
        )
        people = tuple(
            Practitioner(id=one["id"], name=one["name"], time_zone=one["time_zone"] or DEFAULT_ZONE)
            for one in dentists
        )
        zones = Counter(one.time_zone for one in people).most_common(1)
        home = me["time_zone"] or (zones[0][0] if zones else DEFAULT_ZONE)
        return Facts(dentists=people, treatments=tuple(map(_kind, types)), time_zone=home)

    async def slots(self, query: SlotQuery) -> tuple[FreeSlot, ...]:
        data: dict[str, Any] = {
            "dentist_id": list(query.dentist_ids) or None,
            "appointment_type_id": query.appointment_type_id,
            "from": written(query.first),
            "to": written(query.before),
            "time_from": _clock(query.time_from),
            "time_to": _clock(query.time_to),
            "limit": PAGE,
        }
        asked = {name: value for name, value in data.items() if value is not None}
        found: list[FreeSlot] = []
        for _ in range(PAGES_MAX):
            page = await _asked(self._hub.perform(SLOTS, asked))
            found += [slot(one) for one in page["data"]]
            cursor = page["pagination"]["next_cursor"]
            if cursor is None:
                break
            asked["cursor"] = cursor
        return tuple(found)

    async def mine(self) -> tuple[OwnAppointment, ...]:
        """The upcoming ones first asked for, so that a long history never crowds them out."""
        now = self._now()
        ahead, past = await asyncio.gather(
            _asked(self._hub.appointments(from_=written(now), limit=PAGE)),
            _asked(
                self._hub.appointments(
                    from_=written(now - PAST), to=written(now), sort="-start", limit=PAGE
                )
            ),
        )
        rows = [appointment(row) for row in (*past["data"], *ahead["data"])]
        return tuple(sorted(rows, key=lambda row: row.start))

    async def hold(self, slot: FreeSlot, key: str) -> Hold:
        made = await _asked(
            self._hub.hold(
                dentist_id=slot.dentist_id,
                appointment_type_id=slot.appointment_type_id,
                start=written(slot.start),
                key=key,
            )
        )
        return Hold(id=made["id"], slot=_slot(made), expires_at=read(made["expires_at"]))

    async def release(self, hold_id: str, key: str) -> None:
        await _asked(self._hub.release(hold_id, key=key))

    async def book(self, hold_id: str, key: str) -> OwnAppointment:
        return appointment(await _asked(self._hub.book_reservation(hold_id, key=key)))

    async def move(self, appointment: OwnAppointment, start: datetime, key: str) -> OwnAppointment:
        moved = self._hub.change(
            appointment.id, version=appointment.version, key=key, start=written(start)
        )
        return _appointment(await _asked(moved))

    async def cancel(self, appointment: OwnAppointment, key: str) -> None:
        await _asked(self._hub.cancel(appointment.id, version=appointment.version, key=key))


async def _asked(answer: Awaitable[T]) -> T:
    """The client's errors as the port's."""
    try:
        return await answer
    except ConnectionLost as lost:
        raise ClinicUnreachable(str(lost)) from lost
    except HubError as refusal:
        if refusal.may_be_retried or refusal.code in ("UNREADABLE_ANSWER", "INTERNAL_ERROR"):
            raise ClinicUnreachable(str(refusal)) from refusal
        raise ClinicRefused(refusal.code, refusal.message) from refusal


# --- JSON of the hub -----------------------------------------------------------------------


def written(moment: datetime) -> str:
    """An instant as the hub reads it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)


def slot(raw: Mapping[str, Any]) -> FreeSlot:
    return FreeSlot(
        dentist_id=raw["dentist_id"],
        appointment_type_id=raw["appointment_type_id"],
        start=read(raw["start"]),
        end=read(raw["end"]),
    )


def appointment(raw: Mapping[str, Any]) -> OwnAppointment:
    return OwnAppointment(
        id=raw["id"],
        dentist_id=raw["dentist_id"],
        appointment_type_id=raw["appointment_type_id"],
        start=read(raw["start"]),
        end=read(raw["end"]),
        status=raw["status"],
        version=raw["version"],
    )


_slot, _appointment = slot, appointment  # where a parameter has the name


def _kind(raw: AppointmentType) -> Treatment:
    return Treatment(
        id=raw["id"],
        name=raw["name"],
        minutes=raw["duration_minutes"],
        before=raw["buffer_before_minutes"],
        after=raw["buffer_after_minutes"],
    )


def _clock(clock: time | None) -> str | None:
    return None if clock is None else f"{clock:%H:%M}"
