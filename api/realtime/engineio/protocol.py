"""The Engine.IO protocol, revision 4: requests checked, packets read. Pure, without I/O.

The texts and numbers of refusals are those of the reference server, because clients show them.
Source: the published Engine.IO protocol, revision 4, and its test suite.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

VERSION: Final = "4"
TransportName = Literal["polling", "websocket"]
TRANSPORTS: Final = frozenset({"polling", "websocket"})
SEPARATOR: Final = "\x1e"
PACKETS_MAX: Final = 4_096
"""Packets of one payload."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is refused: ``{"code", "message"}`` is its body."""

    code: int
    message: str
    status: int = 400


UNKNOWN_TRANSPORT: Final = Fault(0, "Transport unknown")
UNKNOWN_SESSION: Final = Fault(1, "Session ID unknown")
BAD_METHOD: Final = Fault(2, "Bad handshake method")
BAD_REQUEST: Final = Fault(3, "Bad request")
FORBIDDEN: Final = Fault(4, "Forbidden", status=403)
UNSUPPORTED_VERSION: Final = Fault(5, "Unsupported protocol version")
TOO_LARGE: Final = Fault(3, "Payload too large", status=413)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineRequest:
    """The parts of an HTTP request that decide whether it is answered."""

    method: str
    version: str | None
    transport: str | None
    session: str | None
    upgrades: bool
    """The request is a WebSocket handshake."""


def fault_of(request: EngineRequest, current: TransportName | None) -> Fault | None:
    """Why the request is refused; ``current`` is its session's transport, if there is one.

    Faults are checked in the reference server's order, so a request with several of them gets
    the same answer. The version is checked on every request, as the protocol has it; the
    reference server checks the first request only.
    """
    if request.transport not in TRANSPORTS:
        return UNKNOWN_TRANSPORT
    if request.session is not None:
        return _fault_in_session(request, current)
    if request.method != "GET":
        return BAD_METHOD
    if (request.transport == "websocket") != request.upgrades:
        return BAD_REQUEST
    return None if request.version == VERSION else UNSUPPORTED_VERSION


def _fault_in_session(request: EngineRequest, current: TransportName | None) -> Fault | None:
    if current is None:
        return UNKNOWN_SESSION
    if request.version != VERSION:
        return UNSUPPORTED_VERSION
    if request.upgrades:
        upgradable = (request.method, request.transport) == ("GET", "websocket")
        return None if upgradable else BAD_REQUEST
    fits = request.transport == current == "polling" and request.method in ("GET", "POST")
    return None if fits else BAD_REQUEST


class PacketType(IntEnum):
    """Types of Engine.IO packets."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


MESSAGE_TYPE: Final = str(int(PacketType.MESSAGE))
"""The first character of an encoded message."""


class Malformed(ValueError):
    """Input that is no packet of the protocol, or one that only a server sends."""


Incoming = tuple[PacketType, str | bytes]
"""A packet of the client: its type and its data."""


def packet_of(frame: str | bytes) -> Incoming:
    """One WebSocket message as a packet; raises Malformed.

    Data stays text. python-engineio would parse some of it as JSON.
    """
    if isinstance(frame, bytes):
        return _MESSAGE, frame
    kind, data = _TYPES.get(frame[:1]), frame[1:]
    if kind is None:
        raise Malformed("not an Engine.IO packet")
    if kind is _MESSAGE and not data:
        raise Malformed("a message must not be empty")
    return kind, data


def packets_of(body: bytes) -> Sequence[Incoming]:
    """The packets of a POST; raises Malformed, and then none of them is processed.

    The official client packs as many packets as fit into ``maxPayload``, so the 16 that
    python-engineio accepts are too few. ``PACKETS_MAX`` is more than a client sends at once,
    and bounds the work for a payload of tiny packets.
    """
    if body.count(_SEPARATOR_BYTE) >= PACKETS_MAX:
        raise Malformed("too many packets")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Malformed("a payload is UTF-8") from None
    return [_posted(each) for each in text.split(SEPARATOR)]


def _posted(frame: str) -> Incoming:
    if not frame.startswith("b"):
        return packet_of(frame)
    try:
        return _MESSAGE, base64.b64decode(frame[1:], validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("binary data is base64") from None


_MESSAGE: Final = PacketType.MESSAGE  # Python 3.11 is slow at looking up an enumeration's member
_SEPARATOR_BYTE: Final = SEPARATOR.encode()
_TYPES: Final = {str(int(kind)): kind for kind in PacketType}
