"""What waits to be written to one socket: bounded, written by one task, in order."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from api.realtime.supabase.frames import Frame

_FLUSH_S: Final = 0.5
"""How long a closing socket may take to read what is queued."""
_CLOSE_S: Final = 1.5
"""How long it may take to answer the close."""


class Outbox:
    """``put`` never waits; whoever leaves too much unread is cut off."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        *,
        max_bytes: int,
        on_slow: Callable[[int], None],
    ) -> None:
        self._socket, self._transport = socket, transport
        self._max_bytes, self._on_slow = max_bytes, on_slow
        self._frames: deque[Frame] = deque()
        self._queued_bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending: tuple[int, bytes] | None = None
        self.closed = False

    @property
    def waiting_bytes(self) -> int:
        """Not yet taken by the operating system."""
        transport = self._transport
        return self._queued_bytes + (transport.get_write_buffer_size() if transport else 0)

    def put(self, frame: Frame) -> None:
        """Queue a frame; nothing is written any more once the end was asked for."""
        if self.closed or self._ending is not None:
            return
        if (waiting := self.waiting_bytes) > self._max_bytes:
            self._on_slow(waiting)
            self.abort()
            return
        self._frames.append(frame)
        self._queued_bytes += len(frame.data)
        self._room.clear()
        self._changed.set()

    async def flushed(self) -> None:
        """Until the peer has read what was queued; whoever asks much must read, too."""
        await self._room.wait()

    def end(self, code: int, reason: str) -> None:
        """Close the socket once what is queued was written."""
        if self._ending is None:
            self._ending = code, reason.encode()
            self._changed.set()

    def abort(self) -> None:
        """Drop the connection now: the peer does not read, or nobody needs it any more."""
        self.closed = True
        self._frames.clear()
        self._queued_bytes = 0
        self._room.set()
        self._changed.set()
        if self._transport is not None:
            self._transport.abort()

    async def run(self) -> None:
        """Write until the end; the task of the connection's owner."""
        try:
            while not self.closed:
                if self._frames:
                    await self._write()
                elif self._ending is not None:
                    await self._close(*self._ending)
                    return
                else:
                    self._room.set()
                    self._changed.clear()
                    await self._changed.wait()
        except (ConnectionError, RuntimeError):  # the peer has gone meanwhile
            self.abort()

    async def _write(self) -> None:
        frame = self._frames[0]
        kind = WSMsgType.BINARY if frame.binary else WSMsgType.TEXT
        if self._ending is None:
            await self._socket.send_frame(frame.data, kind)
        else:
            try:
                async with asyncio.timeout(_FLUSH_S):
                    await self._socket.send_frame(frame.data, kind)
            except TimeoutError:
                self.abort()
        if self._frames:
            self._frames.popleft()
            self._queued_bytes -= len(frame.data)

    async def _close(self, code: int, reason: bytes) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.close(code=code, message=reason)
        except TimeoutError:
            self.abort()
        self.closed = True
        self._room.set()
