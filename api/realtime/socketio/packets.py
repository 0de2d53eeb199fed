"""Socket.IO packets (protocol revision 5): strict in what is read, encoded once.

What the library takes for granted is checked here, as the reference server does: a
payload of the wrong shape is a parse error, and a client cannot name its event
``connect`` to get at the handlers of the connection itself. Binary attachments are
counted and dropped; nothing in this product is binary.
"""

import re
from functools import lru_cache
from typing import Any, ClassVar, Final

import orjson
from engineio.packet import MESSAGE  # type: ignore[import-untyped]  # ships no types
from socketio import packet as sio  # type: ignore[import-untyped]  # ships no types

from api.realtime.rooms.frames import Frame

BINARY: Final = object()
"""Stands for the arguments of an event that came with binary attachments."""

RESERVED: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


class Json:
    """orjson with the signatures that the library calls."""

    @staticmethod
    def dumps(data: Any, **_options: Any) -> str:
        return orjson.dumps(data).decode()

    @staticmethod
    def loads(text: str) -> Any:
        return orjson.loads(text)


class HubPacket(sio.Packet):  # type: ignore[misc]  # the library ships no types
    """Raises ValueError for whatever the protocol does not know."""

    json: ClassVar[type[Json]] = Json
    data: Any
    attachments_seen = 0

    @classmethod
    def data_is_binary(cls, data: Any) -> bool:
        """Nothing that is sent is binary, so nothing is searched."""
        return False

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str) or not encoded_packet[:1].isdecimal():
            raise ValueError("a packet is text and begins with its type")
        count: int = super().decode(encoded_packet)
        if not self._has_its_shape():
            raise ValueError("the payload does not fit the packet type")
        return count

    def _has_its_shape(self) -> bool:
        match self.packet_type:
            case sio.CONNECT:
                return self.data is None or isinstance(self.data, dict)
            case sio.DISCONNECT:
                return self.data is None
            case sio.EVENT | sio.BINARY_EVENT:
                return _is_event(self.data)
            case sio.ACK | sio.BINARY_ACK:
                return isinstance(self.data, list) and self.id is not None
            case _:
                return False

    def add_attachment(self, attachment: Any) -> bool:
        """Count it; the event is complete when all that it announced have come."""
        if not isinstance(attachment, bytes):
            raise ValueError("an attachment is binary")
        self.attachments_seen += 1
        if self.attachments_seen < self.attachment_count:
            return False
        self.data = [*self.data[:1], BINARY]
        return True


def plain_event(packet: str) -> tuple[str, int | None, list[Any]] | None:
    """Namespace, id and data of an event without attachments, the one packet that comes often.

    ``None``: it is something else, or written in an unusual way; :class:`HubPacket` judges it.
    """
    found = _PLAIN_EVENT.match(packet)
    if found is None:
        return None
    namespace, id_text = found.groups()
    data = orjson.loads(packet[found.end() :])
    if not _is_event(data):
        raise ValueError("the payload does not fit the packet type")
    return namespace, int(id_text) if id_text else None, data


_PLAIN_EVENT: Final = re.compile(rf"{sio.EVENT}(/[^,?\[]*),([0-9]{{0,15}})(?=\[)", re.ASCII)


def _is_event(data: Any) -> bool:
    return (
        isinstance(data, list)
        and bool(data)
        and isinstance(data[0], str)
        and data[0] not in RESERVED
    )


def event_frame(namespace: str, event: str, argument: bytes) -> Frame:
    """An event with one argument, which is ready JSON."""
    head = _head(sio.EVENT, namespace)
    return Frame(b"".join((head, b"[", orjson.dumps(event), b",", argument, b"]")))


def ack_frame(namespace: str, id: int, argument: bytes) -> Frame:
    """The answer to an event that was sent with this id."""
    return Frame(b"".join((_head(sio.ACK, namespace), b"%d[" % id, argument, b"]")))


@lru_cache(maxsize=64)
def _head(kind: int, namespace: str) -> bytes:
    """``/`` is the namespace that is not named; this hub does not serve it."""
    return f"{MESSAGE}{kind}{namespace},".encode()
