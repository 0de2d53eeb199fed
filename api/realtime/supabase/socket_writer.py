"""Writes to one client's WebSocket through a bounded buffer, and closes it."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

from api.realtime.rooms.frames import Send
from api.realtime.rooms.send_buffer import SendBuffer, SendPolicy

_CLOSE_S: Final = 1.5
"""Bound of the close: the client reads what is queued and answers."""
_POLL_S: Final = 0.02
_UNREAD_BYTES_MAX: Final = 131_072
"""The hub reads no further messages of a client that leaves more of its answers unread."""


class SocketWriter:
    """Never waits to write; a client that leaves too much unread is disconnected."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        policy: SendPolicy,
        on_slow: Callable[[int], None],
    ) -> None:
        self._socket, self._transport, self._on_slow = socket, transport, on_slow
        self._buffer = SendBuffer(policy, self._too_slow)
        self._buffer.write_to(transport)
        self.write: Send = self._buffer.put
        self.closed = False

    async def drain(self) -> None:
        """Waits until the client has read its answers, or is disconnected."""
        while self._is_behind():  # noqa: ASYNC110  # a transport's buffer has no event to wait for
            await asyncio.sleep(_POLL_S)

    def _is_behind(self) -> bool:
        gone = self.closed or self._transport.is_closing()
        return not gone and self._buffer.unsent_bytes > _UNREAD_BYTES_MAX

    async def close(self, code: int, reason: str) -> None:
        """Sends what is queued and the reason, and waits a bounded time for the answer."""
        self.closed = True
        self._buffer.end()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            self._abort()

    def _abort(self) -> None:
        self.closed = True
        self._buffer.clear()
        self._transport.abort()

    def _too_slow(self, waiting_bytes: int) -> None:
        self._on_slow(waiting_bytes)
        self._abort()
