"""The configurations of ``deploy/`` in HAProxy and nginx, in front of the HTTP edge of a hub."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.ports import free_port
from tests.unit.http_world import WITHIN_S, HttpWorld, RawHttp, http_world
from tools.cluster import balancer_command

PROGRAMS = ("haproxy", "nginx")
SECRET = "eyJhbGciOi.secret.token"


async def _seen(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.remote} {request.host}")


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


class Balanced:
    """A balancer and the hub behind it."""

    def __init__(self, hub: HttpWorld, port: int, log: Path) -> None:
        self.hub, self.port, self.log = hub, port, log
        self.url = f"http://127.0.0.1:{port}"

    async def connect(self) -> RawHttp:
        return RawHttp(*await asyncio.open_connection("127.0.0.1", self.port))


@asynccontextmanager
async def balanced(name: str, folder: Path) -> AsyncIterator[Balanced]:
    places = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"))
    if (program := shutil.which(name, path=places)) is None:
        pytest.skip(f"{name} is not installed here")
    routes = [
        web.get("/seen", _seen),
        *(web.get(f"{path}/echo", _echo) for path in ("/socket.io", "/realtime/v1", "/socket")),
    ]
    async with http_world(routes, trusted_proxies=("127.0.0.1",)) as hub:
        port, log = free_port(), folder / "log"
        command, environ = balancer_command(program, folder, port, [hub.port] * 3)
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, **environ}, stdout=out, stderr=out
            )
        try:
            found = Balanced(hub, port, log)
            await _answers(found.url)
            yield found
        finally:
            process.terminate()
            await process.wait()


async def _answers(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(4 * WITHIN_S):
        while True:
            try:
                async with session.get(f"{url}/health/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_the_hub_learns_the_client_and_believes_nothing_of_it(
    name: str, tmp_path: Path
) -> None:
    async with balanced(name, tmp_path) as behind, aiohttp.ClientSession() as session:
        lies = {
            "Forwarded": "for=203.0.113.7",
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Host": "evil.example",
        }
        async with session.get(f"{behind.url}/seen", headers=lies) as answer:
            # the balancer and its client have one address here: it is trusted, too, and so the
            # address before it counts; see test_http_forwarded.py
            assert await answer.text() == f"203.0.113.7 127.0.0.1:{behind.port}"
        async with session.get(
            f"{behind.url}/seen", headers={**lies, "X-Forwarded-For": "nonsense"}
        ) as answer:
            assert await answer.text() == f"127.0.0.1 127.0.0.1:{behind.port}"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("path", ["/socket.io", "/realtime/v1", "/socket"])
async def test_websockets_of_every_protocol_pass(name: str, path: str, tmp_path: Path) -> None:
    async with (
        balanced(name, tmp_path) as behind,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{behind.url}{path}/echo?apikey={SECRET}") as ws,
    ):
        await ws.send_str("passed")
        assert await ws.receive_str(timeout=WITHIN_S) == "passed"


@pytest.mark.parametrize("name", PROGRAMS)
async def test_no_token_is_logged(name: str, tmp_path: Path) -> None:
    async with balanced(name, tmp_path) as behind, aiohttp.ClientSession() as session:
        for query in ("access_token", "token", "apikey", "Token"):
            headers = {"Referer": f"{behind.url}/patient?{query}={SECRET}", "Cookie": SECRET}
            async with session.get(
                f"{behind.url}/realtime/v1/nothing?{query}={SECRET}", headers=headers
            ) as answer:
                assert answer.status == 404
        for raw in (
            f"GET /bad?token={SECRET} HTTP/1.1\r\nHost: hub\r\nno colon\r\n\r\n",
            f"GET /large?token={SECRET} HTTP/1.1\r\nX: {'y' * 200_000}\r\n\r\n",
        ):
            client = await behind.connect()
            await client.send(raw)
            await client.until_closed()
            await client.close()
        await behind.hub.close()
    assert SECRET not in behind.log.read_text()


async def test_nginx_logs_requests_with_their_path_and_node(tmp_path: Path) -> None:
    async with balanced("nginx", tmp_path) as behind, aiohttp.ClientSession() as session:
        async with session.get(f"{behind.url}/seen?token={SECRET}") as answer:
            assert answer.status == 200
        async with asyncio.timeout(WITHIN_S):
            while '"path":"/seen","status":200' not in behind.log.read_text():  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(0.01)
