"""The internal address of a node: silent, slow and broken clients are refused, without an alarm."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from api.http.connection import Deadlines
from hub.cluster.internal.node_server import serving_nodes
from tests.support.logs import Logs, captured_logs

SECRET = "secret-of-the-client"
WITHIN_S = 5.0


@asynccontextmanager
async def node(deadline_s: float = 60.0) -> AsyncIterator[tuple[int, Logs]]:
    """A port that answers POST /read with the length of the body."""

    async def read(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    app = web.Application()
    app.router.add_post("/read", read)
    listener = socket.create_server(("127.0.0.1", 0))
    deadlines = Deadlines(
        first_byte_s=deadline_s,
        head_s=deadline_s,
        body_s=deadline_s,
        send_s=60.0,
        keep_alive_s=60.0,
    )
    with captured_logs() as logs:
        async with serving_nodes(app, listener, deadlines):
            yield listener.getsockname()[1], logs
        assert not [line for line in logs.lines() if line["level"] == "error"]
        assert SECRET not in logs.getvalue()


async def exchange(port: int, data: bytes) -> bytes:
    """Send ``data`` and read until the node closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    received = b""
    async with asyncio.timeout(WITHIN_S):
        with suppress(ConnectionError):
            while part := await reader.read(65_536):
                received += part
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return received


HEAD = b"POST /read HTTP/1.1\r\nHost: node\r\nConnection: close\r\n"


async def test_a_request_is_answered() -> None:
    async with node() as (port, _):
        received = await exchange(port, HEAD + b"Content-Length: 3\r\n\r\nabc")
        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"\r\n\r\n3")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"POST /re", b"408"),
        (HEAD + b"Content-Length: 3\r\n\r\na", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n", b"400"),
    ],
)
async def test_what_does_not_arrive_is_refused_in_time(sent: bytes, status: bytes | None) -> None:
    async with node(0.05) as (port, _):
        received = await exchange(port, sent)
        assert received.split(b" ")[1:2] == ([status] if status else [])


@pytest.mark.parametrize(
    "sent",
    [
        f"GET /{SECRET} \xff HTTP/1.1\r\n\r\n".encode("latin-1"),
        HEAD + f"X-Hub-Signature : {SECRET}\r\n\r\n".encode(),
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_broken_is_refused_without_a_body(sent: bytes) -> None:
    async with node() as (port, logs):
        received = await exchange(port, sent)
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == b"400"
        assert body == b""
        assert len(logs.lines("internal_request_refused")) == 1
