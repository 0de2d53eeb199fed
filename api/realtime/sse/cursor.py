"""Cursors: the ids of events in a stream, which encode the position of every channel.

Clients send a cursor back as ``Last-Event-ID`` to resume. A checksum rejects cursors that were
altered or belong to other channels. It is no secret, because a position grants nothing. Epochs
are encoded relative to the first one, so that a hundred positions fit into one header line.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.refusals import ValidationFailed

HEADER: Final = "Last-Event-ID"
_VERSION: Final = b"\x01"
_SUM_BYTES: Final = 6
_MAX_CHARS: Final = 4_096
_BITS_MAX: Final = 64


class Cursor:
    """Positions in a fixed set of channels; ``str()`` encodes them, for every event of a stream.

    So the encoded parts are kept, and a move encodes only the part of its channel.
    """

    def __init__(self, positions: Mapping[Channel, Position]) -> None:
        self._channels = sorted(positions)
        self._number = {channel: n for n, channel in enumerate(self._channels)}
        self._key = _key(self._channels)
        self._at = [positions[channel] for channel in self._channels]
        self._parts = list(map(self._part, self._at))

    def move(self, channel: Channel, to: Position) -> None:
        number = self._number[channel]
        before, self._at[number] = self._at[number], to
        if before.epoch == to.epoch:
            self._parts[number] = self._part(to)
        else:
            self._parts = list(map(self._part, self._at))

    def move_all(self, to: Mapping[Channel, Position]) -> None:
        """Move several channels, also to other epochs, and encode once."""
        for channel, position in to.items():
            self._at[self._number[channel]] = position
        self._parts = list(map(self._part, self._at))

    def __str__(self) -> str:
        body = _VERSION + _varint(self._at[0].epoch) + b"".join(self._parts)
        return base64.urlsafe_b64encode(_sum(self._key, body) + body).rstrip(b"=").decode()

    def _part(self, at: Position) -> bytes:
        apart = at.epoch - self._at[0].epoch
        return _varint(2 * apart if apart >= 0 else -2 * apart - 1) + _varint(at.offset)


def read_cursor(text: str, channels: Sequence[Channel]) -> Mapping[Channel, Position]:
    """Decode a cursor that belongs to these channels; raises ValidationFailed."""
    ordered = sorted(channels)
    try:
        if len(text) > _MAX_CHARS:
            raise ValueError("longer than any cursor")
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = raw[_SUM_BYTES:]
        if raw[:_SUM_BYTES] != _sum(_key(ordered), body) or body[:1] != _VERSION:
            raise ValueError("altered, or of other channels")
        numbers = _numbers(body[1:])
        first = next(numbers)
        found = {channel: _read(numbers, first) for channel in ordered}
        if next(numbers, None) is not None:
            raise ValueError("more than positions")
    except (ValueError, StopIteration):  # binascii.Error is a ValueError
        raise ValidationFailed.of(HEADER, "is no cursor of a stream of these channels") from None
    return found


def _read(numbers: Iterator[int], first: int) -> Position:
    apart = next(numbers)
    epoch = first + (apart // 2 if apart % 2 == 0 else -(apart + 1) // 2)
    return Position(epoch=epoch, offset=next(numbers))


def _key(channels: Sequence[Channel]) -> bytes:
    return hashlib.blake2b("\n".join(channels).encode(), digest_size=16).digest()


def _sum(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SUM_BYTES, key=key).digest()


def _varint(number: int) -> bytes:
    """Seven bits in each byte, the low ones first; the high bit is set if more follow."""
    assert number >= 0, "positions count from zero"
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _numbers(raw: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > _BITS_MAX + 6:
            raise ValueError("no number is that large")
        if not byte & 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("cut short")
