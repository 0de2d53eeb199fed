"""One patient's calendar at a hub: the hub's JSON as the values of the dialogue."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta
from typing import Final, TypeVar

from chairside.chatbot.clinic import Facts, Hold, OwnAppointment, Practitioner, SlotQuery, Treatment
from chairside.chatbot.json_values import value_converter
from chairside.chatbot.slot_memory import FollowedSlots
from chairside.client import ConnectionLost, FreeSlot, HubError, RestCommands
from chairside.client.shapes import Appointment, Reservation, Slot
from chairside.client.slot_table import TypeTimes

T = TypeVar("T")

FACTS_FOR_S: Final = 60.0
"""How long names of dentists and treatments are cached; slots are not, see FollowedSlots."""
MEMORY_LAG_S: Final = 1.0
"""A slot cache follows every change within a second (criterion 2.3)."""
PAGES_MAX: Final = 4
PAGE: Final = 200
PAST: Final = timedelta(days=2 * 365)
"""How far back the usual dentist is looked for."""
UNREACHABLE: Final = "UNREACHABLE"
"""The code if it is unknown whether a command was carried out."""
DEFAULT_ZONE: Final = "UTC"
_CONVERTER: Final = value_converter(forbid_extra_keys=False)


class PatientCalendar:
    """Every call is made as the patient of ``hub`` and raises HubError, ConnectionLost.

    Commands take a ``key``: repeated with it they are carried out once. ``now`` and
    ``monotonic`` are the caller's clocks.
    """

    def __init__(
        self,
        hub: RestCommands,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        memory: FollowedSlots | None = None,
    ) -> None:
        self._hub, self._now, self._monotonic = hub, now, monotonic
        self._memory, self._memory_lags_until = memory, 0.0
        self._cached: tuple[Facts, float] | None = None

    async def facts(self) -> Facts:
        cached = self._cached
        if cached is None or self._monotonic() >= cached[1]:
            cached = (await self._load_facts(), self._monotonic() + FACTS_FOR_S)
            self._cached = cached
        return cached[0]

    async def _load_facts(self) -> Facts:
        me, dentists, types = await asyncio.gather(
            self._hub.me(), self._hub.dentists(), self._hub.appointment_types()
        )
        people = tuple(
            Practitioner(id=one["id"], name=one["name"], time_zone=one["time_zone"] or DEFAULT_ZONE)
            for one in dentists
        )
        zones = Counter(one.time_zone for one in people).most_common(1)
        return Facts(
            dentists=people,
            treatments=tuple(
                Treatment(id=one["id"], name=one["name"], times=TypeTimes.from_wire(one))
                for one in types
            ),
            time_zone=me["time_zone"] or (zones[0][0] if zones else DEFAULT_ZONE),
        )

    async def slots(self, query: SlotQuery) -> tuple[FreeSlot, ...]:
        """Free slots, by start; the first few hundred.

        From memory, unless the last command of our own is so young that memory may not know it.
        """
        if self._memory is not None and self._monotonic() >= self._memory_lags_until:
            dentist_ids = (await self.facts()).ids(query.dentist_ids)
            remembered = await self._memory.find(query, dentist_ids)
            if remembered is not None:
                return remembered
        found: list[FreeSlot] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = await self._hub.find_slots(
                appointment_type_id=query.appointment_type_id,
                dentist_ids=query.dentist_ids,
                starts_from=written(query.first),
                starts_before=written(query.before),
                time_from=_clock(query.time_from),
                time_to=_clock(query.time_to),
                limit=PAGE,
                cursor=cursor,
            )
            found += map(slot_of, page["data"])
            cursor = page["pagination"]["next_cursor"]
            if cursor is None:
                break
        return tuple(found)

    async def own_appointments(self) -> tuple[OwnAppointment, ...]:
        """Confirmed and past ones, by start; never holds.

        Two requests, so that a long history never crowds out the upcoming ones.
        """
        now = self._now()
        ahead, past = await asyncio.gather(
            self._hub.appointments(from_=written(now), limit=PAGE),
            self._hub.appointments(
                from_=written(now - PAST), to=written(now), sort="-start", limit=PAGE
            ),
        )
        rows = map(appointment_of, (*past["data"], *ahead["data"]))
        return tuple(sorted(rows, key=lambda row: row.start))

    async def hold(self, slot: FreeSlot, key: str) -> Hold:
        command = self._hub.hold(
            dentist_id=slot.dentist_id,
            appointment_type_id=slot.appointment_type_id,
            start=written(slot.start),
            key=key,
        )
        made = await self._done(command)
        expires_at = datetime.fromisoformat(made["expires_at"])
        return Hold(id=made["id"], slot=slot_of(made), expires_at=expires_at)

    async def release(self, hold_id: str, key: str) -> None:
        await self._done(self._hub.release(hold_id, key=key))

    async def book(self, hold_id: str, key: str) -> OwnAppointment:
        return appointment_of(await self._done(self._hub.book_reservation(hold_id, key=key)))

    async def move(self, row: OwnAppointment, to: FreeSlot, key: str) -> OwnAppointment:
        """Move it to the time, and the dentist, of the slot."""
        place = {"start": written(to.start)}
        if to.dentist_id != row.dentist_id:
            place["dentist_id"] = to.dentist_id
        command = self._hub.change(row.id, version=row.version, key=key, **place)
        return appointment_of(await self._done(command))

    async def cancel(self, row: OwnAppointment, key: str) -> None:
        await self._done(self._hub.cancel(row.id, version=row.version, key=key))

    async def _done(self, command: Awaitable[T]) -> T:
        """The answer to a command, even a refusal, may overtake events on their way to memory."""
        try:
            return await command
        finally:
            self._memory_lags_until = self._monotonic() + MEMORY_LAG_S


def failure_code(error: HubError | ConnectionLost) -> str:
    """The hub's code, or UNREACHABLE."""
    if isinstance(error, ConnectionLost) or error.may_be_retried:
        return UNREACHABLE
    return UNREACHABLE if error.code in ("UNREADABLE_ANSWER", "INTERNAL_ERROR") else error.code


# --- JSON of the hub -----------------------------------------------------------------------


def written(moment: datetime) -> str:
    """An instant as the hub reads it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slot_of(raw: Slot | Reservation) -> FreeSlot:
    return _CONVERTER.structure(raw, FreeSlot)


def appointment_of(raw: Appointment) -> OwnAppointment:
    return _CONVERTER.structure(raw, OwnAppointment)


def _clock(clock: time | None) -> str | None:
    return None if clock is None else f"{clock:%H:%M}"
