"""Frames of both versions: decoding, encoding and malformed data."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.realtime.supabase.frames import (
    ClientMessage,
    MalformedFrame,
    Vsn,
    broadcast_frame,
    decode,
    message_frame,
)

TOPIC = "realtime:appointments:dentist:42"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def pushed(*names: bytes, encoding: int = 1, content: bytes = b"{}", kind: int = 3) -> bytes:
    """Kind 3 as realtime-js writes it: join_ref, ref, topic, event, meta."""
    return bytes((kind, *map(len, names), encoding)) + b"".join(names) + content


# --- decoding ---------------------------------------------------------------------------------


def test_version_1_is_an_object_with_optional_refs() -> None:
    heartbeat = decode(Vsn.ONE, '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":null}')
    assert heartbeat == ClientMessage(topic="phoenix", event="heartbeat", payload={})
    join = decode(Vsn.ONE, json.dumps({"topic": TOPIC, "event": "phx_join", "ref": "1"}))
    assert (join.ref, join.join_ref, join.payload) == ("1", None, {})


def test_version_2_is_an_array_of_five() -> None:
    message = decode(Vsn.TWO, json.dumps(["1", "7", TOPIC, "phx_leave", {"a": 1}]))
    assert message == ClientMessage(
        topic=TOPIC, event="phx_leave", payload={"a": 1}, ref="7", join_ref="1"
    )
    assert decode(Vsn.TWO, json.dumps([None, None, TOPIC, "x", {}])).join_ref is None


def test_a_broadcast_of_realtime_js_is_binary() -> None:
    frame = pushed(b"1", b"5", TOPIC.encode(), b"cursor", b'{"a":1}', content=b'{"x":2}')
    message = decode(Vsn.TWO, frame)
    assert (message.join_ref, message.ref, message.topic) == ("1", "5", TOPIC)
    assert message.event == "broadcast"
    assert message.payload == {"type": "broadcast", "event": "cursor", "payload": {"x": 2}}


def test_a_broadcast_may_have_bytes_no_refs_and_invalid_utf_8() -> None:
    frame = pushed(b"", b"", TOPIC.encode(), "é".encode("latin-1"), b"", encoding=0, content=b"\0")
    message = decode(Vsn.TWO, frame)
    assert (message.join_ref, message.ref) == (None, None)
    assert message.payload["payload"] == b"\0"


WELL_FORMED = pushed(b"1", b"5", TOPIC.encode(), b"e", b"")


@pytest.mark.parametrize(
    ("vsn", "data"),
    [
        (Vsn.ONE, ""),
        (Vsn.ONE, "no json"),
        (Vsn.ONE, "[]"),
        (Vsn.ONE, "null"),
        (Vsn.ONE, '{"topic":1,"event":"x","payload":{}}'),
        (Vsn.ONE, '{"topic":"x","payload":{}}'),
        (Vsn.ONE, '{"topic":"x","event":"y","payload":[]}'),
        (Vsn.ONE, '{"topic":"x","event":"y","payload":{},"ref":{}}'),
        (Vsn.ONE, '{"topic":"x","event":"y","payload":{},"ref":true}'),
        (Vsn.ONE, json.dumps({"topic": "x", "event": "y", "payload": {}, "ref": "1" * 129})),
        (Vsn.ONE, WELL_FORMED),
        (Vsn.TWO, '{"topic":"x","event":"y","payload":{}}'),
        (Vsn.TWO, '["1","2","topic","event"]'),
        (Vsn.TWO, '["1","2","topic","event",{},1]'),
        (Vsn.TWO, "[" * 100_000),
        (Vsn.TWO, b""),
        (Vsn.TWO, b"\x03"),
        (Vsn.TWO, pushed(b"1", b"5", b"t", b"e", b"", kind=4)),
        (Vsn.TWO, pushed(b"1", b"5", b"t", b"e", b"", encoding=2)),
        (Vsn.TWO, pushed(b"1", b"5", b"t", b"e", b"", content=b"{")),
        (Vsn.TWO, pushed(b"1", b"5", b"t", b"e", b"[]")),
        (Vsn.TWO, pushed(b"1", b"5", b"t", b"e", b"no json")),
        (Vsn.TWO, b"\x03\x01\x01\xff\x01\x00\x00abc"),
    ],
)
def test_malformed_frames_are_refused(vsn: Vsn, data: str | bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode(vsn, data)


@given(vsn=st.sampled_from(Vsn), data=st.binary(max_size=300) | st.text(max_size=300))
@example(vsn=Vsn.TWO, data=WELL_FORMED[:-3])
@example(vsn=Vsn.ONE, data='"\\ud800"')
def test_any_data_is_a_message_or_malformed(vsn: Vsn, data: str | bytes) -> None:
    _reads(vsn, data)


@given(data=st.binary(min_size=6, max_size=60))
def test_any_data_of_kind_3_is_a_broadcast_or_malformed(data: bytes) -> None:
    _reads(Vsn.TWO, b"\x03" + bytes(each % 12 for each in data[:5]) + data[5:])


@given(vsn=st.sampled_from(Vsn), value=JSON)
def test_any_json_is_a_message_or_malformed(vsn: Vsn, value: Any) -> None:
    _reads(vsn, json.dumps(value))


def _reads(vsn: Vsn, data: str | bytes) -> None:
    try:
        message = decode(vsn, data)
    except MalformedFrame:
        return
    assert isinstance(message.payload, dict)


# --- encoding --------------------------------------------------------------------------------


def test_version_1_has_four_fields_with_a_ref() -> None:
    frame = message_frame(Vsn.ONE, TOPIC, "presence_state", {}, join_ref="1")
    assert json.loads(frame.payload) == {
        "topic": TOPIC,
        "event": "presence_state",
        "payload": {},
        "ref": None,
    }


def test_version_2_contains_the_join_ref() -> None:
    frame = message_frame(Vsn.TWO, TOPIC, "phx_reply", {"status": "ok"}, ref="2", join_ref="1")
    assert json.loads(frame.payload) == ["1", "2", TOPIC, "phx_reply", {"status": "ok"}]
    assert not frame.binary


def test_a_broadcast_in_version_1_is_text() -> None:
    frame = broadcast_frame(Vsn.ONE, TOPIC, "appointment.created", b'{"offset":3}', {"id": "e"})
    assert json.loads(frame.payload)["payload"] == {
        "type": "broadcast",
        "event": "appointment.created",
        "payload": {"offset": 3},
        "meta": {"id": "e"},
    }


def test_a_broadcast_in_version_2_is_binary() -> None:
    frame = broadcast_frame(Vsn.TWO, TOPIC, "appointment.created", b'{"offset":3}', {"id": "e"})
    assert frame.binary
    head = bytes((4, len(TOPIC), len("appointment.created"), len('{"id":"e"}'), 1))
    assert frame.payload == head + TOPIC.encode() + b'appointment.created{"id":"e"}{"offset":3}'


def test_a_broadcast_with_a_long_name_is_text() -> None:
    topic = "realtime:" + "x" * 250
    frame = broadcast_frame(Vsn.TWO, topic, "e", b"{}", {})
    assert not frame.binary
    assert json.loads(frame.payload)[2] == topic
