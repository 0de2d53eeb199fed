"""A Socket.IO client without a library, which can break the protocol."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


class RawSocket:
    """Engine.IO 4 over one WebSocket: messages are sent and returned as they are."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def send(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            await self._ws.send_bytes(frame)
        else:
            await self._ws.send_str(frame)

    async def read(self, within_s: float = 2.0) -> str | None:
        """The next message, or ``None`` if the hub closed; heartbeats are answered."""
        while True:
            message = await asyncio.wait_for(self._ws.receive(), within_s)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            if message.data != "2":
                return str(message.data)
            await self._ws.send_str("3")

    async def until_closed(self, within_s: float = 3.0) -> list[str]:
        """The messages until the hub closes the connection; TimeoutError if it does not."""
        frames: list[str] = []
        async with asyncio.timeout(within_s):
            while (frame := await self.read(within_s)) is not None:
                if frame == "1":  # CLOSE of Engine.IO
                    return frames
                frames.append(frame)
        return frames

    async def connect(self, namespace: str, auth: Any) -> str | None:
        await self.send(f"40{namespace},{json.dumps(auth)}")
        return await self.read()


@asynccontextmanager
async def raw_socket(session: aiohttp.ClientSession, url: str) -> AsyncIterator[RawSocket]:
    """A client that is connected to Engine.IO, but to no namespace."""
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    async with session.ws_connect(address) as ws:
        opened = await ws.receive_str()
        assert opened.startswith("0{")
        yield RawSocket(ws)
