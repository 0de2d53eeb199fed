"""Cursors of streams: complete, small, and valid for their channels only."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.refusals import ValidationFailed
from api.realtime.sse.cursor import Cursor, read_cursor

A, B = Channel("availability:all"), Channel("appointments:patient:x")
numbers = st.integers(0, 10**18 - 1)
positions = st.dictionaries(
    st.text(min_size=1, max_size=40).map(Channel),
    st.builds(Position, epoch=numbers, offset=numbers),
    min_size=1,
    max_size=20,
)


@given(positions)
def test_a_cursor_is_decoded_in_any_order_of_the_channels(
    at: dict[Channel, Position],
) -> None:
    text = str(Cursor(at))
    assert read_cursor(text, list(at)) == at
    assert read_cursor(text, list(reversed(at))) == at


@given(positions, st.data())
def test_a_moved_cursor_equals_one_that_begins_there(
    at: dict[Channel, Position], data: st.DataObject
) -> None:
    cursor = Cursor(at)
    channel = data.draw(st.sampled_from(sorted(at)))
    to = data.draw(st.builds(Position, epoch=numbers, offset=numbers))
    cursor.move(channel, to)
    assert str(cursor) == str(Cursor({**at, channel: to}))
    cursor.move_all(at)
    assert str(cursor) == str(Cursor(at))


def test_a_hundred_channels_fit_into_a_header_line() -> None:
    at = {
        Channel(f"availability:dentist:01976f2e-0000-7000-8000-{n:012}"): Position(
            epoch=1_795_411_990, offset=1_000_000 + n
        )
        for n in range(100)
    }
    assert len(str(Cursor(at))) < 700


@pytest.mark.parametrize(
    "text",
    ["", "x", "AAAA", "é", "=" * 9, "A" * 5_000, "1-2", "null", "\x00", " ", "AAAAAAAAAQEBAQ"],
)
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed):
        read_cursor(text, [A])


def test_an_altered_cursor_or_one_of_other_channels_is_refused() -> None:
    text = str(Cursor({A: Position(1, 7), B: Position(1, 9)}))
    for channels in ([A], [B], [A, B, Channel("c")], [A, Channel("appointments:patient:y")]):
        with pytest.raises(ValidationFailed, match="not valid"):
            read_cursor(text, channels)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for n in range(len(raw)):
        altered = bytes(byte ^ (n == index) for index, byte in enumerate(raw))
        with pytest.raises(ValidationFailed):
            read_cursor(base64.urlsafe_b64encode(altered).decode().rstrip("="), [A, B])
