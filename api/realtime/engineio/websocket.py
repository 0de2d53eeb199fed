"""The WebSocket that carries an Engine.IO session."""

import asyncio
import zlib
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from api.realtime.rooms.send_buffer import ByteTransport

CLOSE_S: Final = 1.0
"""How long a peer may take to answer a WebSocket close."""
_DATA: Final = (WSMsgType.TEXT, WSMsgType.BINARY)


class WebSocket:
    """Reads messages here; the session writes its frames to ``byte_transport``."""

    def __init__(self, request: web.Request, max_bytes: int, *, compress: bool) -> None:
        self._request = request
        self.response = web.WebSocketResponse(
            max_msg_size=max_bytes, compress=compress, timeout=CLOSE_S
        )
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
