"""Long lists of slots are computed and written in slices, between which other tasks run."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import orjson
import pytest

from actors.calendar.snapshot import Snapshot
from actors.domain.announcements import ScheduleBody
from actors.domain.ids import DentistId, ProfileId
from actors.domain.position import Position
from actors.domain.refusals import RateLimited
from actors.domain.slots import to_instant, to_minute
from actors.services.availability import Availability
from actors.services.caller import Caller
from actors.services.requests import SlotRange, SlotSearch
from actors.services.stored_bytes import StoredBytes
from actors.turns import LONG_OF_USER_MAX, SLICE_STARTS, Turns
from api.schemas.pages import availability_json
from tests.support.clock import FakeClock
from tests.unit.calendars import BEN, CHECKUP, DENTIST, NOW, SCHEDULE, at, calendar, patient, row
from tests.unit.slot_cases import daily

T = TypeVar("T")
DAYS = 62
EVERY_MINUTE = replace(SCHEDULE, slot_step_minutes=1, horizon_days=365, rules=daily("00:00-24:00"))
RANGE = SlotRange(
    appointment_type_id=CHECKUP.id, starts_from=NOW, starts_before=NOW + timedelta(days=DAYS)
)
MOST = SLICE_STARTS + 1_440
"""Starts of a slice: the part of a day that fills it is computed whole."""
CALLER = Caller(principal=patient(), request_id="r")


@dataclass
class Loop:
    """Counts the iterations of the event loop, and what each of them computed."""

    iteration: int = 0
    computed: Counter[int] = field(default_factory=Counter)

    async def during(self, *work: Awaitable[T]) -> list[T]:
        counting = asyncio.create_task(self._count())
        try:
            return list(await asyncio.gather(*work))
        finally:
            counting.cancel()

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.iteration += 1


class CountedSnapshot:
    """A snapshot that notes in which iteration its starts are listed."""

    def __init__(self, loop: Loop) -> None:
        busy = calendar([row(at(9))], EVERY_MINUTE)
        self.real = Snapshot(calendar=busy, position=Position(1, 2))
        self.calendar, self.position = busy, self.real.position
        self._loop = loop

    def free(self, *args: Any, **query: Any) -> Sequence[int]:
        starts = self.real.free(*args, **query)
        self._loop.computed[self._loop.iteration] += len(starts)
        return starts


def availability(loop: Loop, turns: Turns) -> Availability:
    snapshot = CountedSnapshot(loop)

    async def one(*_: object) -> object:
        return snapshot

    async def several(dentists: Sequence[object]) -> object:
        return [snapshot for _ in dentists]

    async def kind(*_: object) -> object:
        return CHECKUP

    async def known(*_: object) -> None:
        pass

    clock = FakeClock(NOW)
    return Availability(
        cast("Any", SimpleNamespace(snapshot=one, snapshots=several)),
        cast("Any", SimpleNamespace(kind=kind)),
        cast("Any", SimpleNamespace(dentist=known)),
        cast("Any", None),
        cast("Any", None),
        clock,
        lambda: "id",
        StoredBytes(0, clock.monotonic),
        turns,
    )


async def test_a_list_of_two_months_on_every_minute_is_computed_in_slices() -> None:
    loop, turns = Loop(), Turns()
    services = availability(loop, turns)
    starts = [NOW + timedelta(minutes=minutes) for minutes in range(3)]
    pages = await loop.during(
        *(services.slots(CALLER, DENTIST, replace(RANGE, starts_from=start)) for start in starts)
    )
    assert loop.computed.pop(0) <= 3 * MOST, "the first slice of each is computed at once"
    assert max(loop.computed.values()) <= MOST, "then one of them at a time"
    assert len(loop.computed) > DAYS
    first = to_minute(NOW)
    whole = Snapshot(calendar=calendar([row(at(9))], EVERY_MINUTE), position=Position(1, 2)).free(
        CHECKUP, first=first, before=first + DAYS * 1_440, now=NOW, patient_id=None
    )
    assert [slot.start for slot in pages[0].slots] == [to_instant(start) for start in whole]


async def test_a_list_is_written_in_slices() -> None:
    loop, turns = Loop(), Turns()
    (page,) = await loop.during(availability(loop, turns).slots(CALLER, DENTIST, RANGE))
    body = ScheduleBody(dentist_id=DENTIST, schedule=EVERY_MINUTE)
    began = loop.iteration
    (raw,) = await loop.during(availability_json(body, page, turns.begin()))
    assert loop.iteration - began >= len(page.slots) // SLICE_STARTS
    written = orjson.loads(raw)["slots"]
    assert len(written) == len(page.slots)
    assert written[-1]["start"] == page.slots[-1].start.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("found", [True, False])
async def test_a_search_over_many_dentists_is_computed_in_slices(found: bool) -> None:
    loop, turns = Loop(), Turns()
    dentists = tuple(DentistId(ProfileId(f"dentist-{n}")) for n in range(10))
    search = SlotSearch(
        appointment_type_id=RANGE.appointment_type_id,
        starts_from=RANGE.starts_from,
        starts_before=RANGE.starts_before,
        dentist_ids=dentists,
        time_from=None if found else 9 * 60,
        time_to=None if found else 9 * 60,
        limit=50,
    )
    (page,) = await loop.during(availability(loop, turns).find(CALLER, search))
    assert len(page.slots) == (50 if found else 0)
    assert max(loop.computed.values()) <= MOST


async def test_one_user_cannot_have_many_long_lists_computed_at_once() -> None:
    loop, turns = Loop(), Turns()
    services = availability(loop, turns)
    other = replace(CALLER, principal=patient(BEN))
    callers = [CALLER] * (LONG_OF_USER_MAX + 2) + [other]
    answers = await loop.during(
        *(_outcome(services.slots(caller, DENTIST, RANGE)) for caller in callers)
    )
    assert answers == ["ok"] * LONG_OF_USER_MAX + ["RATE_LIMITED"] * 2 + ["ok"]
    again = await loop.during(_outcome(services.slots(CALLER, DENTIST, RANGE)))
    assert again == ["ok"], "what has ended does not count"


async def _outcome(page: Awaitable[object]) -> str:
    try:
        await page
    except RateLimited as refusal:
        return refusal.code
    return "ok"
