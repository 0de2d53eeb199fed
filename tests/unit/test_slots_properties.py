"""Slots on random schedules and dates agree with the naive model and with themselves."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.domain.appointment import AppointmentType
from actors.domain.refusals import OutsideAvailability, Refusal, SlotTaken, TooFar, TooSoon
from actors.domain.schedule import (
    Override,
    ReservedBlock,
    Schedule,
    TimeOff,
    Weekday,
    WeeklyRule,
    Window,
)
from actors.domain.slots import Taken, free_starts, in_open_time, to_minute, why_not
from tests.unit.naive_slots import NaiveSlots
from tests.unit.slot_cases import kind

DAY = 24 * 60
ZONES = (
    "America/Havana",  # midnight comes twice
    "America/New_York",
    "America/Santiago",  # midnight is skipped, 23:00 comes twice
    "America/St_Johns",
    "Asia/Kolkata",
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # half an hour of daylight saving time
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",  # +14 h
    "Pacific/Pago_Pago",  # -11 h
    "UTC",
)
CLEANING = kind(30).id
SKIPPED_DATE = date(2011, 12, 30)  # in Apia


@dataclass(frozen=True, kw_only=True)
class Case:
    schedule: Schedule
    kind: AppointmentType
    taken: tuple[Taken, ...]
    first: int
    before: int
    now: datetime
    full_days: frozenset[date]
    """Local dates on which the type has reached its daily limit."""

    def full(self, day: date) -> bool:
        return day in self.full_days

    def free(self, first: int | None = None, before: int | None = None) -> list[int]:
        return free_starts(
            self.schedule,
            self.kind,
            self.taken,
            first=self.first if first is None else first,
            before=self.before if before is None else before,
            now=self.now,
            full=self.full,
        )

    def why_not(self, start: int) -> Refusal | None:
        return why_not(self.schedule, self.kind, self.taken, start, self.now, full=self.full)

    def naive(self) -> NaiveSlots:
        return NaiveSlots(
            self.schedule,
            self.kind,
            self.taken,
            first=self.first,
            before=self.before,
            now=self.now,
            full=self.full,
        )


@lru_cache
def changes(zone: str) -> tuple[date, ...]:
    """The dates of 2025-2029 on which the zone's offset changes."""
    noons = [datetime(2025, 1, 1, 12, tzinfo=UTC) + timedelta(n) for n in range(5 * 365)]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    found = [noons[n].date() for n in range(1, len(noons)) if offsets[n - 1] != offsets[n]]
    return tuple(found) + ((SKIPPED_DATE,) if zone == "Pacific/Apia" else ())


def anchors(zone: str) -> st.SearchStrategy[date]:
    """Days for a case: mostly those on which the clocks change, if there are any."""
    anyday = st.dates(date(2025, 1, 1), date(2029, 12, 31))
    if not changes(zone):
        return anyday
    return st.sampled_from([True, True, True, False]).flatmap(
        lambda change: st.sampled_from(changes(zone)) if change else anyday
    )


wall_minutes = st.one_of(
    st.sampled_from([0, 30, 60, 90, 105, 120, 135, 150, 180, 1380, 1410]),
    st.integers(0, 95).map(lambda quarter: quarter * 15),
    st.integers(0, DAY - 1),
)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(wall_minutes)
    length = draw(st.sampled_from([480, DAY, 180, 90, 60, 30, 15, 1]) | st.integers(1, DAY))
    return Window(start, min(start + length, DAY))


@st.composite
def schedules(draw: st.DrawFn, zone: str, anchor: date) -> Schedule:
    near = st.integers(-1, 2).map(lambda days: anchor + timedelta(days))
    days = draw(st.lists(near.map(Weekday.of), min_size=3, max_size=8))
    return Schedule(
        time_zone=zone,
        slot_step_minutes=draw(st.sampled_from([5, 7, 15, 20, 30, 40, 60, 90, 600, DAY])),
        min_notice_minutes=draw(st.sampled_from([0, 0, 0, 60, DAY, 2 * DAY])),
        horizon_days=draw(st.sampled_from([30, 30, 3, 2, 1])),
        rules=tuple(WeeklyRule(weekday=day, window=draw(windows())) for day in days),
        overrides=tuple(
            Override(date=day, windows=tuple(draw(st.lists(windows(), max_size=3))))
            for day in draw(st.just([]) | st.lists(near, max_size=2))
        ),
        time_off=tuple(draw(st.just([]) | st.lists(times_off(anchor), max_size=2))),
        reserved_blocks=tuple(
            ReservedBlock(
                weekday=Weekday.of(draw(near)),
                window=draw(windows()),
                opens_minutes_before=draw(st.sampled_from([0, 60, DAY, 3 * DAY])),
            )
            for _ in range(draw(st.sampled_from([0, 0, 1, 2])))
        ),
        appointment_type_ids=draw(st.sampled_from([None, None, None, (CLEANING,), ()])),
    )


@st.composite
def times_off(draw: st.DrawFn, anchor: date) -> TimeOff:
    first = anchor + timedelta(draw(st.integers(-1, 2)))
    window, days = draw(windows()), draw(st.sampled_from([0, 0, 1]))
    return TimeOff(
        start_date=first,
        end_date=first + timedelta(days),
        start=window.start,
        end=window.end,
    )


@st.composite
def rows(draw: st.DrawFn, around: int) -> Taken:
    start = around + draw(st.integers(-DAY, 2 * DAY))
    length = draw(st.sampled_from([5, 30, 45, 60, DAY]) | st.integers(1, 180))
    return Taken(start, start + length, draw(buffers), draw(buffers))


buffers = st.sampled_from([0, 0, 0, 5, 10, 15, 30, 120, DAY])
durations = st.sampled_from([30, 5, 15, 20, 45, 60, 75, 90, 600, DAY]) | st.integers(1, 180)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(ZONES))
    anchor = draw(anchors(zone))
    midnight = to_minute(datetime(anchor.year, anchor.month, anchor.day, tzinfo=UTC))
    first = midnight + draw(st.sampled_from([-DAY, -600, 0]) | st.integers(-DAY, DAY))
    ago = draw(st.sampled_from([DAY, 2 * DAY, 0]) | st.integers(-DAY // 2, 3 * DAY))
    return Case(
        schedule=draw(schedules(zone, anchor)),
        kind=kind(draw(durations), before=draw(buffers), after=draw(buffers)),
        taken=tuple(sorted(draw(st.lists(rows(midnight), max_size=4)), key=lambda r: r.start)),
        first=first,
        before=first + draw(st.sampled_from([DAY, 2 * DAY]) | st.integers(1, 2 * DAY)),
        now=datetime(1970, 1, 1, tzinfo=UTC)
        + timedelta(minutes=first - ago, seconds=draw(st.sampled_from([0, 0, 0.5, 30, 59]))),
        full_days=frozenset(draw(st.sampled_from([[], [], [anchor]]))),
    )


def examples(count: int) -> Callable[[Callable[[Case], None]], Callable[[], None]]:
    """Run a property on ``count`` cases, without time limits for single cases."""

    def decorate(run: Callable[[Case], None]) -> Callable[[], None]:
        quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
        limited = settings(max_examples=count, suppress_health_check=quiet)
        return limited(given(case=cases())(run))

    return decorate


def agrees_with_the_naive_model(case: Case) -> None:
    naive = case.naive()
    assert case.free() == naive.free
    for start in (*sorted(naive.offered)[:40], *range(case.first, case.before, 97)):
        refusal = case.why_not(start)
        assert (refusal and type(refusal)) is reason(naive, start)
        end = start + case.kind.duration_minutes
        assert in_open_time(case.schedule, start, end) is (start in naive.open)


def reason(naive: NaiveSlots, start: int) -> type | None:
    if start not in naive.offered:
        return OutsideAvailability
    if start in naive.too_soon:
        return TooSoon
    if start in naive.too_far:
        return TooFar
    return SlotTaken if start in naive.blocked else None


@examples(1_000)
def test_listing_and_booking_agree_with_the_naive_model(case: Case) -> None:
    agrees_with_the_naive_model(case)


@pytest.mark.long
@pytest.mark.timeout(1800)
@examples(20_000)
def test_listing_and_booking_agree_with_the_naive_model_for_long(case: Case) -> None:
    agrees_with_the_naive_model(case)


@examples(200)
def test_no_slot_offered_is_refused_when_booked(case: Case) -> None:
    for start in case.free():
        assert case.why_not(start) is None


@examples(200)
def test_reordered_repeated_and_split_rules_offer_the_same_slots(case: Case) -> None:
    schedule = case.schedule
    halves = [
        replace(rule, window=half) for rule in schedule.rules for half in halves_of(rule.window)
    ]
    split_overrides = tuple(
        Override(date=override.date, windows=(half,))
        for override in schedule.overrides
        for window in override.windows
        for half in halves_of(window)
    )
    rewritten = replace(
        schedule,
        rules=(*reversed(halves), *schedule.rules),
        overrides=(*reversed(schedule.overrides), *split_overrides),
    )
    assert replace(case, schedule=rewritten).free() == case.free()


def halves_of(window: Window) -> list[Window]:
    middle = (window.start + window.end) // 2
    if middle == window.start:
        return [window]
    return [Window(window.start, middle), Window(middle, window.end)]


@examples(200)
def test_a_range_offers_the_slots_of_its_parts(case: Case) -> None:
    middle = (case.first + case.before) // 2
    assert case.free() == case.free(before=middle) + case.free(first=middle)


@examples(200)
def test_booking_a_slot_only_removes_overlapping_slots(case: Case) -> None:
    free = case.free()
    if not free:
        return
    start = free[len(free) // 2]
    end = start + case.kind.duration_minutes
    booked = Taken(start, end, case.kind.buffer_before_minutes, case.kind.buffer_after_minutes)
    taken = tuple(sorted((*case.taken, booked), key=lambda row: row.start))
    left = set(replace(case, taken=taken).free())
    assert left < set(free)
    assert not any(start - case.kind.duration_minutes < other < end for other in left)
