"""The pure parts of the client's stream and slot cache."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chairside.client.slot_table import TAKEN_KEPT, Block, Kind, SlotTable, Window, around, join
from chairside.client.sse import MESSAGE_BYTES_MAX, Message, SseReader, UnreadableStream

# --- text/event-stream -----------------------------------------------------------------

TEXT = (
    b":\n\nretry: 1200\nevent: hub:ready\ndata: {}\nid: a\n\n"
    b"data: one\r\ndata: two\r\n\r\n:ping\n\nevent: x\n\nevent: \xc3\xa9\ndata:  y\n\n"
)
MESSAGES = [
    Message("hub:ready", "{}", "a", 1200),
    Message("message", "one\ntwo", None, None),
    Message("é", " y", None, None),
]


@given(st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_a_stream_is_read_the_same_however_it_is_cut(cuts: list[int]) -> None:
    reader, found = SseReader(), list[Message]()
    places = [0, *sorted(cuts), len(TEXT)]
    for first, last in itertools.pairwise(places):
        found += reader.feed(TEXT[first:last])
    assert found == MESSAGES


def test_a_message_without_end_fills_no_memory() -> None:
    with pytest.raises(UnreadableStream):
        SseReader().feed(b"x" * (MESSAGE_BYTES_MAX + 1))
    lines = (b"data: " + b"x" * 1_000 + b"\n") * (MESSAGE_BYTES_MAX // 1_000 + 2)
    with pytest.raises(UnreadableStream):
        SseReader().feed(lines)


# --- free slots ------------------------------------------------------------------------

NOON = datetime(2027, 3, 8, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def kind(minutes: int = 30, before: int = 0, after: int = 0, name: str = "t") -> Kind:
    return Kind(name, minutes * MINUTE, before * MINUTE, after * MINUTE)


def block(start: int, end: int, before: int = 0, after: int = 0) -> Block:
    return Block(NOON + start * MINUTE, NOON + end * MINUTE, before * MINUTE, after * MINUTE)


def table(of: Kind, starts: Sequence[int], as_of: int = 10) -> SlotTable:
    made = SlotTable()
    slots = [(NOON + s * MINUTE, NOON + s * MINUTE + of.duration) for s in starts]
    assert made.replace(
        of, Window(NOON - timedelta(days=1), NOON + timedelta(days=1)), slots, 1, as_of
    )
    return made


def starts(of: SlotTable, name: str = "t") -> list[int]:
    window = Window(NOON - timedelta(days=2), NOON + timedelta(days=2))
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
def test_what_was_taken_takes_the_larger_of_two_facing_buffers_with_it(
    own: Kind, taken: Block, left: list[int]
) -> None:
    made = table(own, [-30, -15, 0, 15, 30, 45])
    made.take([taken], 11, {"t": own})
    assert starts(made) == left


def test_an_event_that_the_answer_had_counted_already_changes_nothing() -> None:
    made = table(kind(), [0, 30], as_of=10)
    made.take([block(0, 30)], 10, {"t": kind()})
    assert starts(made) == [0, 30]
    made.take([block(0, 30)], 11, {"t": kind()})
    assert starts(made) == [30]


def test_what_is_taken_while_an_answer_is_on_its_way_is_not_offered_by_it() -> None:
    own = kind()
    made = table(own, [0, 30], as_of=10)
    made.take([block(30, 60)], 12, {"t": own})
    late = [(NOON + n * MINUTE, NOON + (n + 30) * MINUTE) for n in (0, 30, 60)]
    assert made.replace(own, Window(NOON, NOON + timedelta(hours=2)), late, 1, 11)
    assert starts(made) == [0, 60]


def test_an_answer_older_than_what_is_remembered_is_asked_for_again() -> None:
    own = kind()
    made = table(own, [0], as_of=10)
    for offset in range(11, 11 + TAKEN_KEPT + 5):
        made.take([block(500, 530)], offset, {"t": own})
    assert not made.replace(own, Window(NOON, NOON + timedelta(hours=1)), [], 1, 11)
    assert starts(made) == [0]
    assert made.replace(own, Window(NOON, NOON + timedelta(hours=1)), [], 1, 20)


def test_an_answer_changes_its_own_window_only_and_another_epoch_everything() -> None:
    own = kind()
    made = table(own, [0, 30, 60])
    window = Window(NOON + 30 * MINUTE, NOON + 60 * MINUTE)
    assert made.replace(own, window, [], 1, 11)
    assert starts(made) == [0, 60]
    assert made.replace(own, window, [(NOON + 30 * MINUTE, NOON + 60 * MINUTE)], 2, 1)
    assert starts(made) == [30]


def test_around_what_was_freed_every_start_is_asked_for_that_it_had_closed() -> None:
    kinds = [kind(30, name="a"), kind(60, before=5, after=20, name="b")]
    (window,) = around([block(0, 30, after=10)], kinds)
    assert window == Window(NOON - 80 * MINUTE, NOON + 50 * MINUTE)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=12))
def test_windows_that_touch_are_joined_and_cover_the_same(raw: list[tuple[int, int]]) -> None:
    windows = [Window(NOON + a * MINUTE, NOON + (a + n) * MINUTE) for a, n in raw]
    joined = join(windows)

    def minutes(of: Sequence[Window]) -> set[int]:
        return {
            minute
            for window in of
            for minute in range(90)
            if window.first <= NOON + minute * MINUTE < window.before
        }

    assert minutes(joined) == minutes(windows)
    assert all(one.before < two.first for one, two in itertools.pairwise(joined))
