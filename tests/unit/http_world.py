"""The web application behind real sockets, with the deadlines and limits of a hub."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from api.app import MAX_LINE_BYTES, create_app
from api.http.connections import ConnectionTable
from api.http.refusals import HttpRefusals
from api.http.settings import ServerSettings
from api.http.site import Limits, serving
from api.settings import ApiSettings
from tests.unit.api_world import World

WITHIN_S = 5.0
"""How long a test waits for what must happen; it fails then."""


@dataclass(frozen=True)
class RawAnswer:
    """One response, as it was on the wire."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error in the one form, whose id is also in the header."""
        error: dict[str, Any] = orjson.loads(self.body)["error"]
        assert set(error) == {"code", "message", "timestamp", "request_id", "details"}
        assert error["request_id"] == self.headers["x-request-id"]
        return error

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.error["code"]


class RawHttp:
    """A client that sends bytes, whatever they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def get(self, path: str, *headers: str) -> RawAnswer:
        await self.send("\r\n".join((f"GET {path} HTTP/1.1", "Host: hub", *headers, "", "")))
        return await self.answer()

    async def answer(self) -> RawAnswer:
        """The next response; its body has a length."""
        async with asyncio.timeout(WITHIN_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return RawAnswer(int(first.split()[1]), headers, body)

    async def until_closed(self) -> bytes:
        """What arrives until the hub closes the connection."""
        async with asyncio.timeout(WITHIN_S):
            received = b""
            with suppress(ConnectionError):
                while part := await self._reader.read(65_536):
                    received += part
            return received

    def abort(self) -> None:
        """Leave at once, with a reset."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class HttpWorld(World):
    """A served application: ``connect`` opens sockets to it."""

    port: int
    table: ConnectionTable

    def __init__(self, settings: ApiSettings) -> None:
        super().__init__(settings, rate_per_s=1_000, burst=1_000)
        self._clients: list[RawHttp] = []

    async def connect(self, *, receive_bytes: int | None = None) -> RawHttp:
        sock = socket.socket()
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        client = RawHttp(*await asyncio.open_connection(sock=sock, limit=2**20))
        self._clients.append(client)
        return client

    async def connected(self, count: int) -> None:
        """Wait until the hub has so many connections."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.table) != count:  # noqa: ASYNC110  # another socket's end
                await asyncio.sleep(0.002)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def http_world(
    routes: Sequence[web.RouteDef] = (),
    api: ApiSettings | None = None,
    *,
    send_bytes: int | None = None,
    **server: Any,
) -> AsyncIterator[HttpWorld]:
    """``server``: settings of section ``[server]``; ``send_bytes``: of the system's buffer."""
    world = HttpWorld(api or ApiSettings())
    app = create_app(world.deps, world.chat)
    app.router.add_routes(routes)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    if send_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    world.port = listener.getsockname()[1]
    async with serving(
        app,
        listener,
        Limits.of(ServerSettings(**server)),
        HttpRefusals(world.deps.clock, world.deps.new_id, world.deps.on_request),
        max_line_bytes=MAX_LINE_BYTES,
        shutdown_s=0.5,
    ) as world.table:
        try:
            yield world
        finally:
            await world.close()
