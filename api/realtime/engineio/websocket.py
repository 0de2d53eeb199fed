"""A WebSocket of aiohttp as the transport of an Engine.IO session."""

import asyncio
import zlib
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from api.realtime.rooms.send_buffer import ByteTransport

CLOSE_S: Final = 1.0
"""How long a peer may take to answer a WebSocket close."""
_DATA: Final = (WSMsgType.TEXT, WSMsgType.BINARY)


class AiohttpWebSocket:
    """Implements :class:`api.realtime.engineio.session.WebSocket`."""

    def __init__(self, request: web.Request, max_bytes: int, *, compress: bool) -> None:
        self._request = request
        self.response = web.WebSocketResponse(
            max_msg_size=max_bytes, compress=compress, timeout=CLOSE_S
        )
        self.ended = asyncio.Event()
        """Set by the engine when the session is done with this WebSocket."""
        self.close_code = WSCloseCode.OK
        self.byte_transport: ByteTransport | None = request.transport
        self._closed: asyncio.Event | None = None

    async def prepare(self) -> None:
        await self.response.prepare(self._request)

    @property
    def deflates(self) -> bool:
        """Whether the peer agreed to compression with the usual window; 0 is not agreed."""
        return self.response.compress == zlib.MAX_WBITS

    async def receive(self) -> str | bytes:
        message = await self.response.receive()
        if message.type not in _DATA:
            raise ConnectionResetError("the WebSocket has ended")
        data: str | bytes = message.data
        return data

    async def send(self, message: str) -> None:
        await self.response.send_str(message)

    async def close(self) -> None:
        if self._closed is not None:
            await self._closed.wait()
            return
        self._closed = asyncio.Event()
        try:
            await self.response.close(code=self.close_code)
        finally:
            self._closed.set()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
