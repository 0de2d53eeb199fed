"""Requests and packets of Engine.IO, protocol revision 4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime.engineio.protocol import (
    BAD_METHOD,
    BAD_REQUEST,
    PACKETS_MAX,
    UNKNOWN_SESSION,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_VERSION,
    EngineRequest,
    Fault,
    Malformed,
    PacketType,
    TransportName,
    fault_of,
    packet_of,
    packets_of,
)


def request(
    method: str = "GET",
    version: str | None = "4",
    transport: str | None = "polling",
    session: str | None = None,
    *,
    upgrades: bool = False,
) -> EngineRequest:
    return EngineRequest(
        method=method, version=version, transport=transport, session=session, upgrades=upgrades
    )


@pytest.mark.parametrize(
    ("request_", "current", "fault"),
    [
        (request(), None, None),
        (request(transport="websocket", upgrades=True), None, None),
        (request(transport=None), None, UNKNOWN_TRANSPORT),
        (request(transport="abc", version="3", method="PUT"), None, UNKNOWN_TRANSPORT),
        (request(method="POST", version="3"), None, BAD_METHOD),
        (request(version="3"), None, UNSUPPORTED_VERSION),
        (request(version=None), None, UNSUPPORTED_VERSION),
        (request(transport="websocket"), None, BAD_REQUEST),
        (request(upgrades=True), None, BAD_REQUEST),
        (request(session="s"), None, UNKNOWN_SESSION),
        (request(session="s"), "polling", None),
        (request("POST", session="s"), "polling", None),
        (request("PUT", session="s"), "polling", BAD_REQUEST),
        (request(session="s", version=None), "polling", UNSUPPORTED_VERSION),
        (request(session="s"), "websocket", BAD_REQUEST),
        (request("POST", session="s"), "websocket", BAD_REQUEST),
        (request(session="s", transport="websocket"), "websocket", BAD_REQUEST),
        (request(session="s", transport="websocket", upgrades=True), "polling", None),
        (
            request("POST", session="s", transport="websocket", upgrades=True),
            "polling",
            BAD_REQUEST,
        ),
        (request(session="s", upgrades=True), "polling", BAD_REQUEST),
    ],
)
def test_a_request_is_refused_for_its_first_fault(
    request_: EngineRequest, current: TransportName | None, fault: Fault | None
) -> None:
    assert fault_of(request_, current) is fault


@pytest.mark.parametrize("body", [b"", b"4", b"7", b"abc", b"3\x1e", b"\x1e3", b"b*", b"4\xff"])
def test_no_packet_of_a_malformed_payload_is_processed(body: bytes) -> None:
    with pytest.raises(Malformed):
        packets_of(body)


def test_a_payload_holds_packets_in_order() -> None:
    assert packets_of(b'42["a"]\x1e3\x1ebAQI=') == [
        (PacketType.MESSAGE, '2["a"]'),
        (PacketType.PONG, ""),
        (PacketType.MESSAGE, b"\x01\x02"),
    ]


def test_the_number_of_packets_in_a_payload_is_bounded() -> None:
    assert len(packets_of(b"\x1e".join([b"3"] * PACKETS_MAX))) == PACKETS_MAX
    with pytest.raises(Malformed):
        packets_of(b"\x1e".join([b"3"] * (PACKETS_MAX + 1)))


@given(st.text() | st.binary())
def test_any_frame_is_a_packet_or_malformed(frame: str | bytes) -> None:
    try:
        kind, data = packet_of(frame)
    except Malformed:
        return
    if isinstance(frame, bytes):
        assert (kind, data) == (PacketType.MESSAGE, frame)
    else:
        assert f"{int(kind)}{data!s}" == frame


@given(st.binary(max_size=200))
def test_any_payload_is_packets_or_malformed(body: bytes) -> None:
    try:
        packets = packets_of(body)
    except Malformed:
        return
    assert len(packets) == body.count(b"\x1e") + 1
