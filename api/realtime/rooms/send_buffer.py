"""The frames of one connection on their way out: to its WebSocket, or to its next poll.

A WebSocket has neither a queue nor a task: a frame is written as soon as it comes. If a second
one comes in the same iteration of the event loop, events come faster than they are written;
the rest of that iteration is then joined into one write. So an idle hub delays nothing, and a
busy hub makes one system call for many frames. All frames of a connection pass through here,
in order, so none can overtake another.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.frames import Frame, Joiner, Sent


class ByteTransport(Protocol):
    """The part of ``asyncio.WriteTransport`` that is used."""

    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def is_closing(self) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SendPolicy:
    """What the send buffers of one hub share, and their bound."""

    time_slice: TimeSlice
    max_bytes: int
    """A connection with more unsent bytes is too slow; it holds at most this and one frame."""
    deflate_from_bytes: int | None = None
    """Frames from this size are compressed for clients that agreed to it; ``None``: no frames."""
    joiner: Joiner = field(default_factory=Joiner)


class SendBuffer:
    """Bounded: ``on_full`` is called once, with the unsent bytes; later frames are dropped."""

    __slots__ = (
        "_arrival",
        "_deflate_from_bytes",
        "_ended",
        "_iteration",
        "_on_full",
        "_policy",
        "_transport",
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
        self._iteration = -1
        self._arrival: asyncio.Future[None] | None = None

    def put(self, frame: Sent, *, more: bool = False) -> None:
        """Send a frame, or several as one; see :class:`~api.realtime.rooms.frames.Send`."""
        if self._ended:
            return
        unsent_bytes = self.unsent_bytes
        if unsent_bytes > self._policy.max_bytes:
            self.clear()
            self._ended = True
            self._on_full(unsent_bytes)
        elif self._transport is None:
            for part in frame.parts:
                self._keep(part)
            self._wake_poll()
        elif unsent_bytes + len(frame.framed) > self._policy.max_bytes and len(frame.parts) > 1:
            for part in frame.parts:  # as many as fit
                self.put(part, more=True)
        else:
            self._write(self._transport, frame, more)

    def _write(self, transport: ByteTransport, frame: Sent, more: bool) -> None:
        iteration = self._policy.time_slice.begin()
        if more or iteration == self._iteration:
            if not self._waiting:
                self._policy.time_slice.call_at_end(self._flush)
            self._keep(frame)
            return
        self._iteration = iteration
        if self._waiting:
            self._keep(frame)
            self._flush()
        elif not transport.is_closing():
            transport.write(frame.data(self._deflate_from_bytes))

    def _keep(self, frame: Sent) -> None:
        self._waiting.append(frame)
        self._waiting_bytes += len(frame.framed)

    def _flush(self) -> None:
        """Write all waiting frames at once."""
        if self._waiting and self._transport is not None:
            data = self._policy.joiner.join(self._waiting, self._deflate_from_bytes)
            self.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    def write_to(self, transport: ByteTransport, *, deflates: bool = False) -> None:
        """Send to this WebSocket from now on, beginning with the waiting frames."""
        self._transport = transport
        self._deflate_from_bytes = self._policy.deflate_from_bytes if deflates else None
        self._flush()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that were put here and not yet taken by the operating system or a poll."""
        if self._transport is None:
            return self._waiting_bytes
        return self._waiting_bytes + self._transport.get_write_buffer_size()

    @property
    def is_empty(self) -> bool:
        """No frame waits for a poll."""
        return not self._waiting

    def clear(self) -> None:
        """Drop the waiting frames."""
        self._waiting = []
        self._waiting_bytes = 0

    def end(self) -> None:
        """Accept no more frames; those that wait are still sent."""
        self._ended = True
        self._flush()
        self._wake_poll()

    async def take(self, at_most: int, *, alone: Frame | None = None) -> list[Frame]:
        """The frames for a poll, as soon as there is one; none if the buffer has ended.

        The frame ``alone`` is never behind others in one poll.
        """
        while not self._waiting and not self._ended:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        taken = [part for frame in self._waiting[:at_most] for part in frame.parts]
        if len(taken) > 1 and taken[-1] is alone:
            taken.pop()
        del self._waiting[: len(taken)]
        self._waiting_bytes -= sum(len(each.framed) for each in taken)
        return taken

    def _wake_poll(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
