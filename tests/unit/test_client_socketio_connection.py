"""One Socket.IO connection of the Python client: it leaves nothing open when it ends."""

import asyncio

import aiohttp
import pytest
from aiohttp import WSMessage, web
from aiohttp.test_utils import TestServer

from chairside.client.errors import ConnectionLost
from chairside.client.socketio_connection import HubAddress, SocketIoConnection
from tests.support.eventually import eventually

OPEN = '0{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'


class NoPong:
    """A server that accepts an upgrade, and then sends no pong."""

    def __init__(self) -> None:
        self.upgrades = self.ended = self.polls = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.query["transport"] == "websocket":
            return await self._upgrade(request)
        if request.method == "POST":
            return web.Response(text="ok")
        self.polls += 1
        if self.polls > 1:
            await asyncio.Event().wait()
        return web.Response(text=OPEN)

    async def _upgrade(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        self.upgrades += 1
        assert isinstance(await websocket.receive(), WSMessage)
        await websocket.send_str("6")
        await websocket.receive()  # until the other side ends it
        self.ended += 1
        return websocket


async def test_closing_ends_a_websocket_whose_upgrade_failed() -> None:
    """Also in a shared session, where the library would leave it open."""
    server = NoPong()
    app = web.Application()
    app.router.add_route("*", "/socket.io/", server.answer)
    async with TestServer(app) as running, aiohttp.ClientSession() as session:
        address = HubAddress(
            url=str(running.make_url("")).rstrip("/"),
            namespace="/dentist",
            timeout_s=5.0,
            session=session,
        )
        connection = SocketIoConnection(address, ("polling", "websocket"), {}, lambda *_: None)
        with pytest.raises(ConnectionLost):
            await connection.open(0.3)
        assert (server.upgrades, server.ended) == (1, 0)
        await connection.close()
        assert await eventually(lambda: server.ended, 2.0)
