"""What the Engine.IO endpoint is asked, judged: pure (protocol revision 4).

The words and numbers of refusals are those of the reference server; clients show them.
Source: the published Engine.IO protocol, revision 4, and the tests that come with it.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

VERSION: Final = "4"
Transport = Literal["polling", "websocket"]
TRANSPORTS: Final = frozenset({"polling", "websocket"})
SEPARATOR: Final = "\x1e"
PACKETS_MAX: Final = 4_096
"""Of one payload."""


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
class Asked:
    """What of a request decides whether it is answered."""

    method: str
    version: str | None
    transport: str | None
    session: str | None
    upgrades: bool
    """Whether it asks for a WebSocket."""


def fault_of(asked: Asked, current: Transport | None) -> Fault | None:
    """Why the request is refused; ``current`` is its session's transport, if there is one.

    In the reference server's order, so that a request with several faults is told the
    same. The version is checked on every request, as the protocol has it; the reference
    looks at the first one alone.
    """
    if asked.transport not in TRANSPORTS:
        return UNKNOWN_TRANSPORT
    if asked.session is not None:
        return _fault_in_session(asked, current)
    if asked.method != "GET":
        return BAD_METHOD
    if (asked.transport == "websocket") != asked.upgrades:
        return BAD_REQUEST
    return None if asked.version == VERSION else UNSUPPORTED_VERSION


def _fault_in_session(asked: Asked, current: Transport | None) -> Fault | None:
    if current is None:
        return UNKNOWN_SESSION
    if asked.version != VERSION:
        return UNSUPPORTED_VERSION
    if asked.upgrades:
        return None if (asked.method, asked.transport) == ("GET", "websocket") else BAD_REQUEST
    fits = asked.transport == current == "polling" and asked.method in ("GET", "POST")
    return None if fits else BAD_REQUEST


class Kind(IntEnum):
    """Types of Engine.IO packets."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


class Malformed(ValueError):
    """What came is no packet of the protocol, or comes from the wrong side."""


Incoming = tuple[Kind, str | bytes]
"""A packet that came: its type and its data."""


def packet_of(frame: str | bytes) -> Incoming:
    """One WebSocket message as a packet; raises Malformed.

    The library would read JSON where the protocol has text, and let what is no packet
    escape as an error of the whole request.
    """
    if isinstance(frame, bytes):
        return _MESSAGE, frame
    kind, data = _KINDS.get(frame[:1]), frame[1:]
    if kind is None:
        raise Malformed("not an Engine.IO packet")
    if kind is _MESSAGE and not data:
        raise Malformed("a message says something")
    return kind, data


def packets_of(body: bytes) -> Sequence[Incoming]:
    """What a polling client posts; raises Malformed, and then nothing of it counts.

    The library takes no more than 16, which the official client, that packs as many as fit
    into ``maxPayload``, does not know. The bound here is beyond what a client says at once,
    and keeps a payload of tiny packets from costing more than one of large ones.
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


_MESSAGE: Final = Kind.MESSAGE  # Python 3.11 takes its time to find an enumeration's member
_SEPARATOR_BYTE: Final = SEPARATOR.encode()
_KINDS: Final = {str(int(kind)): kind for kind in Kind}
