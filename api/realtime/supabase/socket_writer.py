"""One client's WebSocket: frames out through the hub's own outbox, and the end of it."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from api.realtime.rooms.frames import Sent
from api.realtime.rooms.send_buffer import SendBuffer, SendPolicy

_CLOSE_S: Final = 1.5
"""How long a peer may take to read what is queued and to answer the close."""
_LOOK_S: Final = 0.02
_ASKING_BYTES_MAX: Final = 131_072
"""Whoever leaves more of its answers unread is not listened to until it has read them."""


class Link:
    """``put`` never waits; whoever leaves too much unread is cut off."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        sending: SendPolicy,
        on_slow: Callable[[int], None],
    ) -> None:
        self._socket, self._transport, self._on_slow = socket, transport, on_slow
        self._buffer = SendBuffer(sending, self._too_slow)
        self._buffer.write_to(transport)
        self.closed = False

    def put(self, frame: Sent, *, more: bool = False) -> None:
        """Send a frame, in order; ``more`` follows at once, so it may wait for that."""
        self._buffer.put(frame, more=more)

    async def read_up(self) -> None:
        """Until the peer has read its answers, or is cut off for not doing so."""
        while self._is_behind():  # noqa: ASYNC110  # a transport's buffer cannot be waited for
            await asyncio.sleep(_LOOK_S)

    def _is_behind(self) -> bool:
        gone = self.closed or self._transport.is_closing()
        return not gone and self._buffer.unsent_bytes > _ASKING_BYTES_MAX

    async def close(self, code: int, reason: str) -> None:
        """Say why and wait for the peer's answer, but not long; behind what was sent."""
        self.closed = True
        self._buffer.end()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Drop the connection now: the peer does not read, or is not there."""
        self.closed = True
        self._buffer.clear()
        self._transport.abort()

    def _too_slow(self, waiting_bytes: int) -> None:
        self._on_slow(waiting_bytes)
        self.abort()
