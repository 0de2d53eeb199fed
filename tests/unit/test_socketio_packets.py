"""Socket.IO packets: the fast path for events agrees with the strict packet class."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from socketio import packet as sio  # type: ignore[import-untyped]  # ships no types

from api.realtime.socketio.packets import HubPacket, ack_frame, event_frame, event_of, plain_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NEARLY = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["2", "2", "3", "5", "0", "", "22", "2-", "21-"]),
        st.sampled_from(["/patient,", "/patient", "/", "/patient?a=b,", "/a/b,", ",", ""]),
        st.sampled_from(["", "7", "007", "9" * 15, "9" * 16, "9" * 101, "-1", "٣", " 1", "7,"]),
        st.one_of(
            JSON.map(lambda data: orjson.dumps(data).decode()),
            JSON.map(lambda data: orjson.dumps(["slots:list", data]).decode()),
            st.sampled_from(["", "[", '["connect"]', "[1]", "[]", '["a"] ', ' ["a"]', '["a"]]']),
        ),
    ),
)


def strictly(text: str) -> tuple[object, ...] | None:
    """The packet type, and the event; ``None`` if this is no packet."""
    try:
        packet = HubPacket(encoded_packet=text)
    except ValueError:
        return None
    return packet.packet_type, event_of(packet) if packet.packet_type == sio.EVENT else None


@given(NEARLY | st.text())
@example('2/patient,7["channel:leave",{"channel":"availability:none"}]')
@example('2/patient,["a,b[",{}]')
@example('2/patient,7["disconnect"]')
def test_plain_event_agrees_with_the_strict_packet(text: str) -> None:
    try:
        event = plain_event(text)
    except ValueError:
        assert strictly(text) is None
    else:
        assert event is None or strictly(text) == (sio.EVENT, event)


@pytest.mark.parametrize("id_text", ["", "7", "123456789012345"])
def test_usual_events_are_plain_events(id_text: str) -> None:
    text = f'2/patient,{id_text}["slots:list",{{"limit":5}}]'
    expected = int(id_text) if id_text else None
    assert plain_event(text) == ("/patient", expected, "slots:list", [{"limit": 5}])


def test_encoded_frames_can_be_decoded() -> None:
    event = HubPacket(encoded_packet=event_frame("/patient", "ä", b'{"x":1}').text[1:])
    assert (event.packet_type, event.namespace, event.data) == (
        sio.EVENT,
        "/patient",
        ["ä", {"x": 1}],
    )
    ack = HubPacket(encoded_packet=ack_frame("/patient", 12, b'{"ok":', b"true").text[1:])
    assert (ack.packet_type, ack.namespace, ack.id) == (sio.ACK, "/patient", 12)
    assert ack.data == [{"ok": True}]
