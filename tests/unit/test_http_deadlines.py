"""Every connection ends: at each step of a request, a client has a bounded time."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol

from api.http.connection import PRIVATE_NAMES
from hub.config import load_config
from hub.config_reader import ConfigError
from tests.support.logs import Logs, captured_logs
from tests.unit.http_world import RawHttp, http_world

SHORT_S = 0.05
LONG_S = 60.0
"""Of the deadlines that must not be the ones that pass."""
ALL_LONG: dict[str, Any] = {
    "first_byte_timeout_s": LONG_S,
    "head_timeout_s": LONG_S,
    "body_timeout_s": LONG_S,
    "send_timeout_s": LONG_S,
    "keep_alive_s": LONG_S,
}
ALL_SHORT: dict[str, Any] = dict.fromkeys(ALL_LONG, SHORT_S)


def only(name: str) -> dict[str, Any]:
    """All deadlines are long, except one."""
    return {**ALL_LONG, name: SHORT_S}


def head(token: str, *lines: str, method: str = "POST", path: str = "/api/appointments") -> str:
    authorized = f"Authorization: Bearer {token}"
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: hub", authorized, *lines, "", ""))


async def trickle(client: RawHttp, data: bytes) -> None:
    """Send a byte of ``data`` every few milliseconds, until the hub hangs up."""
    for byte in data:
        if client.writer.transport.is_closing():
            return
        await client.send(bytes([byte]))
        await asyncio.sleep(SHORT_S / 10)


def quiet(logs: Logs) -> bool:
    """A deadline that passes is no alarm."""
    return not [line for line in logs.lines() if line["level"] not in ("info", "debug")]


async def test_a_silent_connection_is_closed() -> None:
    with captured_logs() as logs:
        async with http_world(**only("first_byte_timeout_s")) as w:
            assert await (await w.connect()).until_closed() == b""
    assert quiet(logs)


@pytest.mark.parametrize(
    "sent", [b"G", b"GET /health HTTP/1.1\r\n", b"\r\n", b"GET / HTTP/1.1\r\nA: "]
)
async def test_half_a_head_is_refused_in_time(sent: bytes) -> None:
    with captured_logs() as logs:
        async with http_world(**only("head_timeout_s")) as w:
            client = await w.connect()
            await client.send(sent)
            answer = await client.answer()
            assert answer.refusal == (408, "REQUEST_TIMEOUT")
            assert await client.until_closed() == b""
            assert w.requests == [("unknown", "unknown", 408, 0.0)]
    assert quiet(logs)
    assert [line["status"] for line in logs.lines("http_refused")] == [408]


async def test_a_head_that_trickles_has_one_deadline() -> None:
    async with http_world(**only("head_timeout_s")) as w:
        client = await w.connect()
        sending = asyncio.create_task(trickle(client, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000))
        assert (await client.answer()).status == 408
        sending.cancel()


@pytest.mark.parametrize("form", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("slow", ["", "begun", "trickles"])
async def test_a_body_that_does_not_arrive_is_refused_in_time(form: str, slow: str) -> None:
    with captured_logs() as logs:
        async with http_world(**only("body_timeout_s")) as w:
            client = await w.connect()
            await client.send(head(w.token(), "Content-Type: application/json", form))
            part = b"{" if "Length" in form else b"1\r\n{\r\n"
            if slow == "trickles":
                sending = asyncio.create_task(trickle(client, part * 1000))
            elif slow:
                await client.send(part)
            answer = await client.answer()
            assert answer.refusal == (408, "REQUEST_TIMEOUT")
            await client.until_closed()
            if slow == "trickles":
                sending.cancel()
            await w.connected(0)
    assert quiet(logs)
    assert [line["status"] for line in logs.lines("api_request")] == [408]


async def test_a_body_that_nobody_reads_ends_too() -> None:
    """Without a token the refusal comes at once, and the connection must not stay."""
    async with http_world(**{**ALL_SHORT, "body_timeout_s": LONG_S}) as w:
        client = await w.connect()
        await client.send(head("nonsense", "Content-Length: 100"))
        assert (await client.answer()).status == 401
        await client.until_closed()
        await w.connected(0)


async def test_an_idle_connection_is_closed_after_its_request() -> None:
    async with http_world(**only("keep_alive_s")) as w:
        client = await w.connect()
        assert (await client.get("/health/live")).status == 200
        assert await client.until_closed() == b""


async def test_a_connection_is_kept_for_further_requests() -> None:
    async with http_world(**ALL_LONG) as w:
        client = await w.connect()
        for _ in range(3):
            assert (await client.get("/health/live")).status == 200
        assert len(w.table) == 1


async def test_a_client_that_does_not_read_its_response_is_cut() -> None:
    async def huge(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 20_000_000)

    async with http_world([web.get("/huge", huge)], **only("send_timeout_s")) as w:
        client = await w.connect(receive_bytes=4096)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both directions
        await client.send(b"GET /huge HTTP/1.1\r\nHost: hub\r\n\r\n")
        await w.connected(1)
        await w.connected(0)


async def test_a_client_that_does_not_read_a_short_response_is_cut() -> None:
    """Such a response lies in the buffers of the connection; nothing waits for it."""

    async def short(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 60_000)

    async with http_world([web.get("/short", short)], send_bytes=4096, **only("keep_alive_s")) as w:
        client = await w.connect(receive_bytes=4096)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both directions
        await client.send(b"GET /short HTTP/1.1\r\nHost: hub\r\n\r\n")
        await w.connected(1)
        await w.connected(0)


async def test_no_deadline_cuts_a_handler_that_works() -> None:
    done = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await request.read()
        await done.wait()
        return web.Response(text="done")

    async with http_world([web.post("/slow", slow)], **{**ALL_SHORT, "send_timeout_s": 5.0}) as w:
        client = await w.connect()
        await client.send(b"POST /slow HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.sleep(SHORT_S * 4)
        done.set()
        assert (await client.answer()).body == b"done"


async def test_no_deadline_cuts_a_stream() -> None:
    written = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(5):
            await asyncio.sleep(SHORT_S)
            await response.write(b"event\n")
        written.set()
        return response

    async with http_world([web.get("/stream", stream)], **ALL_SHORT) as w:
        client = await w.connect()
        await client.send(b"GET /stream HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
        received = await client.until_closed()
        assert received.count(b"event\n") == 5
        assert written.is_set()


async def test_no_deadline_cuts_a_websocket() -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    async with (
        http_world([web.get("/echo", echo)], **ALL_SHORT) as w,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{w.port}/echo") as ws,
    ):
        for _ in range(4):
            await asyncio.sleep(SHORT_S)
            await ws.send_str("still here")
            assert await ws.receive_str(timeout=5.0) == "still here"


async def test_a_websocket_handshake_must_arrive_in_time() -> None:
    async with http_world(**only("head_timeout_s")) as w:
        client = await w.connect()
        await client.send(b"GET /realtime/v1/websocket HTTP/1.1\r\nUpgrade: websocket\r\n")
        assert (await client.answer()).status == 408


def test_deadlines_are_positive() -> None:
    for name in ALL_LONG:
        with pytest.raises(ConfigError, match=name.upper()):
            load_config(None, {f"CHAIRSIDE_SERVER_{name}".upper(): "0"})


async def test_the_private_names_are_those_of_aiohttp() -> None:
    assert set(PRIVATE_NAMES) == {"BaseProtocol._reading_paused"}
    assert hasattr(BaseProtocol(asyncio.get_running_loop()), "_reading_paused")
