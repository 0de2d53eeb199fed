"""A message as it goes over a WebSocket, made once for whoever gets it."""

import struct
import zlib
from collections.abc import Sequence
from typing import Final, Protocol

from engineio.packet import Packet  # type: ignore[import-untyped]  # ships no types

_TEXT: Final = 0x81
"""The last frame of a text message (RFC 6455, 5.2); a server masks nothing."""
_BINARY: Final = 0x82
_COMPRESSED: Final = 0x40
"""RSV1: the message is compressed (RFC 7692, 6)."""
_HEADER_BYTES: Final = {126: 4, 127: 10}
"""By the length's first byte; other lengths need no more than that."""
_MIDDLE: Final = struct.Struct("!BBH")
_LONG: Final = struct.Struct("!BBQ")
_TAIL: Final = b"\x00\x00\xff\xff"
"""What ends each compressed message, and is not sent (RFC 7692, 7.2.1)."""


class Frame:
    """``framed`` is the whole WebSocket frame; a poll gets ``text``."""

    __slots__ = ("_deflated", "framed")

    def __init__(self, payload: str | bytes, *, binary: bool = False) -> None:
        """Text, ready or not, unless it is said to be ``binary``; for Engine.IO, a packet:
        its type's digit, then its data."""
        if isinstance(payload, str):
            payload = payload.encode()
        self.framed = _header(len(payload), _BINARY if binary else _TEXT) + payload
        self._deflated: bytes | None = None

    @classmethod
    def of(cls, packet: Packet) -> "Frame":
        """From what the library wants to send."""
        return cls(packet.encode(b64=True))

    @property
    def parts(self) -> "Sequence[Frame]":
        """For a poll, which gets each by itself."""
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
        """What is written: compressed if it has so many bytes, and if that is a number."""
        if deflate_from_bytes is None or len(self.framed) < deflate_from_bytes:
            return self.framed
        return self.deflated

    @property
    def deflated(self) -> bytes:
        """The frame for a connection that agreed to permessage-deflate.

        It refers to nothing before it, so all such connections can share it.
        """
        if self._deflated is None:
            deflate = zlib.compressobj(level=zlib.Z_BEST_SPEED, wbits=-zlib.MAX_WBITS)
            data = deflate.compress(self.payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
            data = data.removesuffix(_TAIL)
            self._deflated = _header(len(data), self.framed[0] | _COMPRESSED) + data
        return self._deflated


class Frames:
    """Several that follow each other, written to a WebSocket like one."""

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
    """Writes a ready frame, in order; ``more`` follows at once, so it may wait for that."""

    def __call__(self, frame: Sent, *, more: bool = False) -> None: ...


class Joiner:
    """Frames that go out in one write; for all who are sent the same ones, one object.

    So what a room has not read yet is in memory once, not once for each of its sockets.
    """

    __slots__ = ("_deflated", "_frames", "_joined")

    def __init__(self) -> None:
        self._frames: list[Sent] = []
        self._deflated: int | None = None
        self._joined = b""

    def join(self, frames: list[Sent], deflate_from_bytes: int | None) -> bytes:
        """Takes the list over; frames of so many bytes are compressed, if that is a number."""
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
