"""WebSocket frames (RFC 6455), each encoded once for all its recipients."""

import struct
import zlib
from collections.abc import Sequence
from typing import Final, Protocol

_TEXT: Final = 0x81
"""FIN and the text opcode (RFC 6455, 5.2); a server does not mask."""
_BINARY: Final = 0x82
_COMPRESSED: Final = 0x40
"""RSV1: the message is compressed (RFC 7692, 6)."""
_HEADER_BYTES: Final = {126: 4, 127: 10}
"""Header size by the second byte; other values mean two bytes."""
_MIDDLE: Final = struct.Struct("!BBH")
_LONG: Final = struct.Struct("!BBQ")
_TAIL: Final = b"\x00\x00\xff\xff"
"""The end of each compressed message, which is not sent (RFC 7692, 7.2.1)."""


class Frame:
    """One message: ``framed`` for a WebSocket, ``text`` for a poll."""

    __slots__ = ("_deflated", "framed")

    def __init__(self, payload: str | bytes, *, binary: bool = False) -> None:
        """Bytes are UTF-8 text unless ``binary``; for Engine.IO the payload is a packet."""
        if isinstance(payload, str):
            payload = payload.encode()
        self.framed = _header(len(payload), _BINARY if binary else _TEXT) + payload
        self._deflated: bytes | None = None

    @property
    def parts(self) -> "Sequence[Frame]":
        """The frame as a poll or a full buffer takes it: one by one."""
        return (self,)

    @property
    def payload(self) -> bytes:
        return self.framed[_HEADER_BYTES.get(self.framed[1], 2) :]

    @property
    def binary(self) -> bool:
        return self.framed[0] == _BINARY

    @property
    def text(self) -> str:
        return self.payload.decode()

    def data(self, deflate_from_bytes: int | None) -> bytes:
        """The bytes to write, compressed if the frame has at least that size."""
        if deflate_from_bytes is None or len(self.framed) < deflate_from_bytes:
            return self.framed
        return self.deflated

    @property
    def deflated(self) -> bytes:
        """The compressed frame, for connections that agreed to permessage-deflate.

        It refers to no earlier message, so all such connections share it.
        """
        if self._deflated is None:
            deflate = zlib.compressobj(level=zlib.Z_BEST_SPEED, wbits=-zlib.MAX_WBITS)
            data = deflate.compress(self.payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
            data = data.removesuffix(_TAIL)
            self._deflated = _header(len(data), self.framed[0] | _COMPRESSED) + data
        return self._deflated


class Frames:
    """Consecutive frames, written to a WebSocket as one."""

    __slots__ = ("_data", "framed", "parts")

    def __init__(self, parts: Sequence[Frame]) -> None:
        self.parts = parts
        self.framed = b"".join([part.framed for part in parts])
        self._data: dict[int, bytes] = {}

    def data(self, deflate_from_bytes: int | None) -> bytes:
        if deflate_from_bytes is None:
            return self.framed
        if deflate_from_bytes not in self._data:
            joined = b"".join([part.data(deflate_from_bytes) for part in self.parts])
            self._data[deflate_from_bytes] = joined
        return self._data[deflate_from_bytes]


Sent = Frame | Frames


class Send(Protocol):
    """Sends ready frames in order; ``more`` follows at once, so this one may wait for it."""

    def __call__(self, frame: Sent, *, more: bool = False) -> None: ...


class Joiner:
    """Joins frames into one write, and shares the result among equal recipients.

    So the unread events of a room are in memory once, not once for each of its sockets.
    """

    __slots__ = ("_deflated", "_frames", "_joined")

    def __init__(self) -> None:
        self._frames: list[Sent] = []
        self._deflated: int | None = None
        self._joined = b""

    def join(self, frames: list[Sent], deflate_from_bytes: int | None) -> bytes:
        """Keeps the list; frames from ``deflate_from_bytes`` are compressed."""
        if frames != self._frames or deflate_from_bytes != self._deflated:
            self._frames, self._deflated = frames, deflate_from_bytes
            self._joined = b"".join([frame.data(deflate_from_bytes) for frame in frames])
        return self._joined


def _header(size_bytes: int, first: int) -> bytes:
    if size_bytes < 126:
        return bytes((first, size_bytes))
    if size_bytes < 1 << 16:
        return _MIDDLE.pack(first, 126, size_bytes)
    return _LONG.pack(first, 127, size_bytes)
