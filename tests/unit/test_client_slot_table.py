"""The client's table of free slots, as events and fetches change it."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chairside.client.channels import Position
from chairside.client.slot_table import (
    TAKEN_MAX,
    Block,
    SlotTable,
    StartRange,
    TypeTimes,
    around,
    join,
)

NOON = datetime(2027, 3, 8, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def kind(minutes: int = 30, before: int = 0, after: int = 0, name: str = "t") -> TypeTimes:
    return TypeTimes(name, minutes * MINUTE, before * MINUTE, after * MINUTE)


def block(start: int, end: int, before: int = 0, after: int = 0) -> Block:
    return Block(NOON + start * MINUTE, NOON + end * MINUTE, before * MINUTE, after * MINUTE)


def table(of: TypeTimes, starts: Sequence[int], as_of: int = 10) -> SlotTable:
    made = SlotTable()
    slots = [(NOON + s * MINUTE, NOON + s * MINUTE + of.duration) for s in starts]
    assert made.replace(
        of,
        StartRange(NOON - timedelta(days=1), NOON + timedelta(days=1)),
        slots,
        Position(epoch=1, offset=as_of),
    )
    return made


def starts(of: SlotTable, name: str = "t") -> list[int]:
    window = StartRange(NOON - timedelta(days=2), NOON + timedelta(days=2))
    return sorted(int((start - NOON) / MINUTE) for start, _ in of.free(name, window))


@pytest.mark.parametrize(
    ("own", "taken", "left"),
    [
        (kind(), block(0, 30), [-30, 30, 45]),
        (kind(), block(0, 30, after=15), [-30, 45]),
        (kind(), block(0, 30, before=15), [30, 45]),
        (kind(before=15), block(0, 30), [-30, 45]),
        (kind(after=15), block(0, 30), [30, 45]),
        (kind(before=15), block(0, 30, after=10), [-30, 45]),
        (kind(before=10), block(0, 30, after=15), [-30, 45]),
    ],
)
def test_a_taken_time_removes_slots_within_the_larger_facing_buffer(
    own: TypeTimes, taken: Block, left: list[int]
) -> None:
    made = table(own, [-30, -15, 0, 15, 30, 45])
    made.take([taken], 11, {"t": own})
    assert starts(made) == left


def test_an_event_older_than_the_fetch_changes_nothing() -> None:
    made = table(kind(), [0, 30], as_of=10)
    made.take([block(0, 30)], 10, {"t": kind()})
    assert starts(made) == [0, 30]
    made.take([block(0, 30)], 11, {"t": kind()})
    assert starts(made) == [30]


def test_a_time_taken_during_a_fetch_is_not_offered() -> None:
    own = kind()
    made = table(own, [0, 30], as_of=10)
    made.take([block(30, 60)], 12, {"t": own})
    late = [(NOON + n * MINUTE, NOON + (n + 30) * MINUTE) for n in (0, 30, 60)]
    assert made.replace(
        own, StartRange(NOON, NOON + timedelta(hours=2)), late, Position(epoch=1, offset=11)
    )
    assert starts(made) == [0, 60]


def test_a_fetch_older_than_the_recorded_events_is_refused() -> None:
    own = kind()
    made = table(own, [0], as_of=10)
    for offset in range(11, 11 + TAKEN_MAX + 5):
        made.take([block(500, 530)], offset, {"t": own})
    assert not made.replace(
        own, StartRange(NOON, NOON + timedelta(hours=1)), [], Position(epoch=1, offset=11)
    )
    assert starts(made) == [0]
    assert made.replace(
        own, StartRange(NOON, NOON + timedelta(hours=1)), [], Position(epoch=1, offset=20)
    )


def test_a_fetch_changes_its_own_range_and_a_new_epoch_everything() -> None:
    own = kind()
    made = table(own, [0, 30, 60])
    window = StartRange(NOON + 30 * MINUTE, NOON + 60 * MINUTE)
    assert made.replace(own, window, [], Position(epoch=1, offset=11))
    assert starts(made) == [0, 60]
    assert made.replace(
        own, window, [(NOON + 30 * MINUTE, NOON + 60 * MINUTE)], Position(epoch=2, offset=1)
    )
    assert starts(made) == [30]


def test_a_freed_time_opens_every_start_that_it_had_prevented() -> None:
    kinds = [kind(30, name="a"), kind(60, before=5, after=20, name="b")]
    (window,) = around([block(0, 30, after=10)], kinds)
    assert window == StartRange(NOON - 80 * MINUTE, NOON + 50 * MINUTE)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_ranges_that_touch_are_joined_and_cover_the_same(raw: list[tuple[int, int]]) -> None:
    windows = [StartRange(NOON + a * MINUTE, NOON + (a + n) * MINUTE) for a, n in raw]
    joined = join(windows)

    def minutes(of: Sequence[StartRange]) -> set[int]:
        return {
            minute
            for window in of
            for minute in range(90)
            if window.first <= NOON + minute * MINUTE < window.before
        }

    assert minutes(joined) == minutes(windows)
    assert all(one.before < two.first for one, two in itertools.pairwise(joined))
