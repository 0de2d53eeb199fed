"""Connections are limited, in all and per address; health is answered when a hub is full."""

import asyncio
import resource

import pytest
from aiohttp import web

from api.http import connections
from api.http.connections import ConnectionTable, descriptor_limit
from api.http.forwarded import TrustedProxies
from api.http.settings import ServerSettings
from api.http.site import Limits
from tests.support.logs import captured_logs
from tests.unit.http_world import HttpWorld, RawHttp, http_world

FULL = (503, "UNAVAILABLE")


def busy() -> web.RouteDef:
    """A route that keeps its connection at work."""

    async def handle(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return web.get("/busy", handle)


async def at_work(w: HttpWorld, count: int) -> list[RawHttp]:
    clients = [await w.connect() for _ in range(count)]
    for client in clients:
        await client.send(b"GET /busy HTTP/1.1\r\nHost: hub\r\n\r\n")
    await w.connected(count)
    return clients


async def test_an_address_may_open_only_so_many_connections() -> None:
    with captured_logs() as logs:
        async with http_world(max_connections_per_address=3) as w:
            served = [await w.connect() for _ in range(3)]
            await w.connected(3)
            more = await w.connect()
            answer = await more.get("/docs")
            assert answer.refusal == FULL
            assert int(answer.headers["retry-after"]) >= 1
            assert await more.until_closed() == b"", "it is not kept"
            assert (await served[0].get("/docs")).status == 200
    assert [line["limit"] for line in logs.lines("connections_refused")] == ["per_address"]
    assert not [line for line in logs.lines() if line["level"] == "error"]


async def test_a_closed_connection_makes_room_for_another() -> None:
    async with http_world(max_connections_per_address=2) as w:
        first, _ = await w.connect(), await w.connect()
        await w.connected(2)
        first.abort()
        await w.connected(1)
        assert (await (await w.connect()).get("/docs")).status == 200


async def test_health_is_answered_when_all_connections_work() -> None:
    async with http_world([busy()], max_connections=4) as w:
        await at_work(w, 4)
        for path in ("/health/live", "/health/ready", "/health"):
            client = await w.connect()
            assert (await client.get(path)).status == 200
            assert await client.until_closed() == b"", "it is not kept"
        for path in ("/api/profiles/me", "/status", "/", "/health/live/", "/socket.io/"):
            answer = await (await w.connect()).get(path)
            assert answer.refusal == FULL, path


async def test_silent_connections_shut_nobody_out() -> None:
    async with http_world(max_connections=4) as w:
        silent = [await w.connect() for _ in range(20)]
        for _ in range(10):
            assert (await (await w.connect()).get("/docs")).status == 200
        assert await silent[0].until_closed() == b"", "the oldest gives way"


async def test_half_heads_and_idle_connections_give_way_and_work_does_not() -> None:
    async with http_world([busy()], max_connections=4) as w:
        working = await at_work(w, 2)
        half, idle = await w.connect(), await w.connect()
        await half.send(b"GET /docs HT")
        assert (await idle.get("/docs")).status == 200
        for _ in range(5):
            assert (await (await w.connect()).get("/docs")).status == 200
        assert await half.until_closed() == b""
        assert await idle.until_closed() == b""
        assert not any(client.writer.transport.is_closing() for client in working)


async def test_connections_beyond_the_limits_are_bounded_too() -> None:
    async with http_world([busy()], max_connections=2) as w:
        await at_work(w, 2)
        clients = [await w.connect() for _ in range(connections.RESERVED_MAX * 3)]
        assert (await (await w.connect()).get("/health/live")).status == 200
        assert len(w.table) <= 2 + connections.RESERVED_MAX
        assert await clients[0].until_closed() == b"", "the oldest gives way"


async def test_proxies_have_no_limit_of_their_own() -> None:
    async with http_world(
        [busy()], max_connections_per_address=2, trusted_proxies=("127.0.0.0/8",)
    ) as w:
        await at_work(w, 6)
        assert (await (await w.connect()).get("/docs")).status == 200


async def test_a_websocket_counts_as_a_connection() -> None:
    async def wait(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        return socket

    async with http_world([web.get("/socket", wait)], max_connections=1) as w:
        client = await w.connect()
        upgraded = await client.get(
            "/socket",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        assert upgraded.status == 101
        assert (await (await w.connect()).get("/docs")).refusal == FULL
        assert not client.writer.transport.is_closing()


async def test_refused_connections_are_logged_seldom() -> None:
    with captured_logs() as logs:
        async with http_world(max_connections_per_address=1) as w:
            await w.connect()
            for _ in range(20):
                assert (await (await w.connect()).get("/docs")).status == 503
    assert len(logs.lines("connections_refused")) == 1


# --- the table alone -------------------------------------------------------------------


class FakeConnection:
    def __init__(self) -> None:
        self.is_closed = False

    def close_now(self) -> None:
        self.is_closed = True


def table(*, most: int = 10, most_per_address: int = 0, proxies: str = "") -> ConnectionTable:
    return ConnectionTable(
        most=most,
        most_per_address=most_per_address,
        proxies=TrustedProxies([proxies] if proxies else []),
    )


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_an_ipv6_subscriber_counts_as_one_address(first: str, second: str, are_one: bool) -> None:
    counted = table(most_per_address=1)
    assert counted.open(FakeConnection(), first)
    assert counted.open(FakeConnection(), second) is not are_one


def test_an_address_is_forgotten_with_its_last_connection() -> None:
    counted = table(most_per_address=1)
    for number in range(1000):
        one = FakeConnection()
        assert counted.open(one, f"192.0.2.{number % 256}")
        counted.closed(one)
        counted.closed(one)
    assert len(counted) == 0
    assert not counted._of_address


def test_the_connection_that_waited_longest_gives_way() -> None:
    counted = table(most=3)
    one, two, three = (FakeConnection() for _ in range(3))
    for each in (one, two, three):
        counted.open(each, "192.0.2.1")
    counted.works(one)
    counted.waits(one)  # after its request it waits for the shortest time
    counted.works(two)
    assert counted.open(FakeConnection(), "192.0.2.1")
    assert (one.is_closed, two.is_closed, three.is_closed) == (False, False, True)


def test_descriptors_are_kept_for_everything_else() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = descriptor_limit()
    assert 0 < allowed <= files - min(connections.DESCRIPTORS_KEPT, files // 2)
    assert Limits.of(ServerSettings()).most == allowed
    assert Limits.of(ServerSettings(max_connections=10)).most == 10
    assert Limits.of(ServerSettings(max_connections=10**9)).most == allowed
