"""The WebSocket that carries an Engine.IO session."""

import asyncio
import zlib
from collections.abc import Callable
from typing import Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_websocket import WSMessageTextBytes

from api.realtime.rooms.send_buffer import ByteTransport

CLOSE_S: Final = 1.0
"""How long a peer may take to answer a WebSocket close."""
_DATA: Final = (WSMsgType.TEXT, WSMsgType.BINARY)
_TEXT: Final = WSMsgType.TEXT
_QUEUED_BYTES: Final = 1 << 16
"""Reading pauses while twice as many wait in the queue."""

PRIVATE_NAMES: Final = {
    "aiohttp._websocket.reader.WebSocketDataQueue": "the queue of messages is extended",
    "WebSocketDataQueue._buffer": "what waits in the queue",
    "WebSocketResponse._reader": "the response reads from the extended queue",
}
"""Private names of aiohttp, each with its use. ``tests/unit/test_websocket.py`` fails when an
upgrade changes one of them."""


class MessageQueue(WebSocketDataQueue):
    """Messages that were parsed and wait for :meth:`WebSocket.receive`.

    Nothing waits if ``handle_now`` takes the message: a task that is woken for each message
    takes 3 µs (``make bench-fanout`` counts the acknowledgements a second). No message
    overtakes another.
    """

    __slots__ = ("_is_behind", "handle_now")

    def __init__(self, protocol: BaseProtocol) -> None:
        super().__init__(protocol, _QUEUED_BYTES, loop=asyncio.get_running_loop())
        self.handle_now: Callable[[str], bool] | None = None
        """Handles a text at once, or returns false; must not raise."""
        self._is_behind = False
        """A message was queued, and may not have been handled yet."""

    def feed_data(self, data: WSMessage, size: int) -> None:  # type: ignore[override]  # text is str
        if (
            self.handle_now is None
            or self._is_behind
            or data.type is not _TEXT
            or not self.handle_now(data.data)
        ):
            self._is_behind = True
            super().feed_data(data, size)

    async def read(self) -> WSMessage | WSMessageTextBytes:
        """The next message. What aiohttp parses before it returns goes behind that message."""
        if not self._buffer:
            self._is_behind = False
        return await super().read()


class _Response(web.WebSocketResponse):
    """aiohttp's WebSocket with a :class:`MessageQueue`."""

    def __init__(self, queue: MessageQueue, max_bytes: int, *, compress: bool) -> None:
        super().__init__(max_msg_size=max_bytes, compress=compress, timeout=CLOSE_S)
        self._queue = queue

    @property
    def _reader(self) -> MessageQueue:
        return self._queue

    @_reader.setter
    def _reader(self, _: WebSocketDataQueue | None) -> None:
        """Ignores the queue that aiohttp makes."""


class WebSocket:
    """Reads messages here; the session writes its frames to ``byte_transport``."""

    def __init__(self, request: web.Request, max_bytes: int, *, compress: bool) -> None:
        self._request = request
        self._queue = MessageQueue(request.protocol)
        self.response: web.WebSocketResponse = _Response(self._queue, max_bytes, compress=compress)
        self.ended = asyncio.Event()
        """Set by the engine when the session is done with this WebSocket."""
        self.close_code = WSCloseCode.OK
        self.byte_transport: ByteTransport | None = request.transport
        """``None`` if the connection has already gone."""
        self._closed: asyncio.Event | None = None

    @property
    def deflates(self) -> bool:
        """The peer agreed to permessage-deflate with the usual window."""
        return self.response.compress == zlib.MAX_WBITS

    def handle_now(self, handler: Callable[[str], bool]) -> None:
        """Give texts to ``handler`` first, which must not raise; false leaves one in the queue."""
        self._queue.handle_now = handler

    async def receive(self) -> str | bytes:
        """The next message; raises OSError when the WebSocket has ended."""
        message = await self.response.receive()
        if message.type not in _DATA:
            raise ConnectionResetError("the WebSocket has ended")
        data: str | bytes = message.data
        return data

    async def send(self, message: str) -> None:
        """Send past the session's buffer, while the session may still be polling."""
        await self.response.send_str(message)

    async def close(self) -> None:
        """Complete the closing handshake; all callers wait for the same one."""
        if self._closed is not None:
            await self._closed.wait()
            return
        self._closed = asyncio.Event()
        try:
            await self.response.close(code=self.close_code)
        finally:
            self._closed.set()

    def abort(self) -> None:
        """Drop the connection now, without a closing handshake."""
        if self._request.transport is not None:
            self._request.transport.abort()
