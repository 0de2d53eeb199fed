"""The client's parser of ``text/event-stream``."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chairside.client.sse import EVENT_BYTES_MAX, ServerSentEvent, SseReader, UnreadableStream

TEXT = (
    b":\n\nretry: 1200\nevent: hub:ready\ndata: {}\nid: a\n\n"
    b"data: one\r\ndata: two\r\n\r\n:ping\n\nevent: x\n\nevent: \xc3\xa9\ndata:  y\n\n"
)
EVENTS = [
    ServerSentEvent("hub:ready", "{}", "a", 1200),
    ServerSentEvent("message", "one\ntwo", None, None),
    ServerSentEvent("é", " y", None, None),
]


@given(st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_chunks_of_any_size_give_the_same_events(cuts: list[int]) -> None:
    reader, found = SseReader(), list[ServerSentEvent]()
    cuts_at = [0, *sorted(cuts), len(TEXT)]
    for first, last in itertools.pairwise(cuts_at):
        found += reader.feed(TEXT[first:last])
    assert found == EVENTS


def test_an_endless_event_is_refused() -> None:
    with pytest.raises(UnreadableStream):
        SseReader().feed(b"x" * (EVENT_BYTES_MAX + 1))
    lines = (b"data: " + b"x" * 1_000 + b"\n") * (EVENT_BYTES_MAX // 1_000 + 2)
    with pytest.raises(UnreadableStream):
        SseReader().feed(lines)
