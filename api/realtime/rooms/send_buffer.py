"""What one Engine.IO session is sent: straight to its WebSocket, or kept for a poll.

There is neither a queue nor a task behind a WebSocket: a frame is written when it comes.
If a second one comes before the loop has turned, events come faster than they are
written, and what comes until the turn is over is joined into one write. So nothing is
delayed while the hub is idle, and a busy hub makes one system call for many frames. All
writing to a connection goes through here, in order, so nothing can be overtaken.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from api.realtime.rooms.fairness import Turns
from api.realtime.rooms.frames import Frame, Joiner, Sent


class ByteTransport(Protocol):
    """What of ``asyncio.WriteTransport`` is used."""

    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def is_closing(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SendPolicy:
    """What the outboxes of one hub share, and their bound."""

    turns: Turns
    max_bytes: int
    """For whom more waits is too slow; it has at most this, and one frame."""
    deflate_from_bytes: int | None = None
    """Frames of so many bytes are compressed for who agreed to it; none: no frames."""
    joiner: Joiner = field(default_factory=Joiner)


class SendBuffer:
    """``on_full`` is called once, when the session does not take what is put here; from
    then on it gets nothing more."""

    __slots__ = (
        "_arrived",
        "_deflate_from_bytes",
        "_ended",
        "_on_full",
        "_policy",
        "_transport",
        "_turn",
        "_waiting",
        "_waiting_bytes",
    )

    def __init__(self, policy: SendPolicy, on_full: Callable[[int], None]) -> None:
        self._policy, self._on_full = policy, on_full
        self._waiting: list[Sent] = []
        self._waiting_bytes = 0
        self._transport: ByteTransport | None = None
        self._deflate_from_bytes: int | None = None
        self._ended = False
        self._turn = -1
        self._arrived: asyncio.Future[None] | None = None

    def put(self, frame: Sent, *, more: bool = False) -> None:
        """Send a frame, or several as one; ``more`` follows at once, so writing may wait."""
        if self._ended:
            return
        waits = self.unsent_bytes
        if waits > self._policy.max_bytes:
            self.clear()
            self._ended = True
            self._on_full(waits)
        elif self._transport is None:
            for part in frame.parts:
                self._keep(part)
            self._tell_arrived()
        elif waits + len(frame.framed) > self._policy.max_bytes and len(frame.parts) > 1:
            for part in frame.parts:  # no more than fits
                self.put(part, more=True)
        else:
            self._write(self._transport, frame, more)

    def _write(self, transport: ByteTransport, frame: Sent, more: bool) -> None:
        turn = self._policy.turns.begin()
        if more or turn == self._turn:
            if not self._waiting:
                self._policy.turns.at_end(self._flush)
            self._keep(frame)
            return
        self._turn = turn
        if self._waiting:
            self._keep(frame)
            self._flush()
        elif not transport.is_closing():
            transport.write(frame.data(self._deflate_from_bytes))

    def _keep(self, frame: Sent) -> None:
        self._waiting.append(frame)
        self._waiting_bytes += len(frame.framed)

    def _flush(self) -> None:
        """What waits goes out in one write."""
        if self._waiting and self._transport is not None:
            data = self._policy.joiner.join(self._waiting, self._deflate_from_bytes)
            self.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    def write_to(self, transport: ByteTransport, *, deflates: bool = False) -> None:
        """From now on frames go to this WebSocket, those first that wait."""
        self._transport = transport
        self._deflate_from_bytes = self._policy.deflate_from_bytes if deflates else None
        self._flush()

    @property
    def unsent_bytes(self) -> int:
        """What the session was sent and the operating system has not taken."""
        if self._transport is None:
            return self._waiting_bytes
        return self._waiting_bytes + self._transport.get_write_buffer_size()

    @property
    def is_empty(self) -> bool:
        """Nothing waits for a poll."""
        return not self._waiting

    def clear(self) -> None:
        """Forget what will never be read."""
        self._waiting = []
        self._waiting_bytes = 0

    def end(self) -> None:
        """Nothing follows; what waits is still sent."""
        self._ended = True
        self._flush()
        self._tell_arrived()

    async def take(self, at_most: int, *, alone: Frame | None = None) -> list[Frame]:
        """For a poll: what waits, as soon as something does; nothing: the end has come.

        ``alone`` comes with nothing before it.
        """
        while not self._waiting and not self._ended:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        taken = [part for frame in self._waiting[:at_most] for part in frame.parts]
        if len(taken) > 1 and taken[-1] is alone:
            taken.pop()
        del self._waiting[: len(taken)]
        self._waiting_bytes -= sum(len(each.framed) for each in taken)
        return taken

    def _tell_arrived(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
