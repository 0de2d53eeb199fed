"""Bookings as Socket.IO commands, many in flight on the connections of one dentist."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import aiohttp

from store.migrations.migrate import upgrade
from tests.benchmarks.booking.contestants import (
    Surroundings,
    dentist,
    on_the_servers_core,
)
from tests.benchmarks.booking.measures import MINUTES, Measured, Server, median, summary
from tests.support.api import Api
from tests.support.clinic import ADMIN, instant
from tests.support.process import UNLIMITED, hub_process
from tests.support.tokens import token

CLIENTS = 64
NAMESPACE = "/dentist"
IN_FLIGHT_MAX = 32
"""Commands that one connection may have in flight; more are refused."""


class CommandConnection:
    """A WebSocket that speaks as much Socket.IO as commands need."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = count(1)
        self._acks: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ready = asyncio.get_running_loop().create_future()

    async def send(self, event: str, data: object) -> dict[str, Any]:
        """The acknowledgement of a command."""
        number = next(self._ids)
        ack = self._acks[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(f"42{NAMESPACE},{number}{json.dumps([event, data])}")
        answer: dict[str, Any] = await ack
        return answer

    async def connect(self, token: str) -> None:
        await self._socket.send_str(f"40{NAMESPACE},{json.dumps({'token': token})}")
        await self._ready

    async def read(self) -> None:
        """Until the connection ends."""
        acknowledged = f"43{NAMESPACE},"
        async for message in self._socket:
            packet: str = message.data
            if packet == "2":
                await self._socket.send_str("3")
            elif packet.startswith(acknowledged):
                number, _, answer = packet[len(acknowledged) :].partition("[")
                self._acks.pop(int(number)).set_result(json.loads(f"[{answer}")[0])
            elif packet.startswith(f"42{NAMESPACE},") and '"hub:ready"' in packet[:40]:
                self._ready.set_result(None)
            elif packet.startswith(f"44{NAMESPACE}"):
                raise RuntimeError(f"the hub refused the connection: {packet}")


@asynccontextmanager
async def commands(
    session: aiohttp.ClientSession, url: str, token: str
) -> AsyncIterator[CommandConnection]:
    address = f"{url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    async with session.ws_connect(address, max_msg_size=0) as socket:
        connection = CommandConnection(socket)
        reading = asyncio.create_task(connection.read())
        try:
            await connection.connect(token)
            yield connection
        finally:
            reading.cancel()


SocketFigures = dict[str, Measured]
"""By way: ``HTTP``, ``Socket.IO``."""

_PATIENTS = 100
_BookWith = Callable[[dict[str, str], str], Awaitable[None]]
"""Book with this body under this idempotency key."""


async def over_sockets(around: Surroundings, *, rounds: int, seconds: float) -> SocketFigures:
    """A dentist books for own patients: 64 commands in flight, and 64 clients over HTTP."""
    path = around.folder / "sockets.db"
    upgrade(f"sqlite:///{path}")
    async with AsyncExitStack() as stack:
        with on_the_servers_core():
            hub = await stack.enter_async_context(hub_process(path, around.folder, **UNLIMITED))
        desk = await _Desk.found(around.session, hub.url)
        opened = [
            await stack.enter_async_context(commands(around.session, hub.url, desk.token))
            for _ in range(CLIENTS // IN_FLIGHT_MAX)
        ]
        connections = [each for each in opened for _ in range(IN_FLIGHT_MAX)]
        server = Server("this hub, SQLite", hub.pid, _not_used)
        taken: dict[str, list[Measured]] = {"HTTP": [], "Socket.IO": []}
        for _ in range(rounds):
            ways: dict[str, list[_BookWith]] = {
                "HTTP": [desk.post] * CLIENTS,
                "Socket.IO": [_command(each) for each in connections],
            }
            for name, clients in ways.items():
                taken[name].append(await desk.measured(server, clients, seconds))
        await hub.stop()
    return {name: median(measured) for name, measured in taken.items()}


def _command(connection: CommandConnection) -> _BookWith:
    async def book(body: dict[str, str], key: str) -> None:
        answer = await connection.send("appointment:book", {**body, "idempotency_key": key})
        assert answer["ok"], answer

    return book


async def _not_used(_number: int, _calendars: int) -> int:
    raise AssertionError("the dentist books here")


class _Desk:
    """A dentist's calendar, and the dentist's patients."""

    def __init__(
        self, api: Api, bearer: str, dentist_id: str, kind: str, people: list[str]
    ) -> None:
        self._api, self.token = api, bearer
        self._dentist, self._kind, self._patients = dentist_id, kind, people
        self._numbers = count()

    @classmethod
    async def found(cls, session: aiohttp.ClientSession, url: str) -> "_Desk":
        admin = Api(session, url, ADMIN)
        made = await admin.post(
            "/api/appointment-types", {"name": "Check-up", "duration_minutes": MINUTES}
        )
        dentist_id = await dentist(session, url, admin, 0)
        bearer = token("dentist", "d0", ttl_s=24 * 3_600)
        mine = Api(session, url, bearer)
        people = [
            (await mine.post("/api/profiles", {"role": "patient", "name": f"Patient {n}"})).body[
                "id"
            ]
            for n in range(_PATIENTS)
        ]
        return cls(mine, bearer, dentist_id, made.body["id"], people)

    async def post(self, body: dict[str, str], key: str) -> None:
        answer = await self._api.send(
            "POST", "/api/appointments", body, headers={"Idempotency-Key": key}
        )
        assert answer.status == 201, answer.body

    async def measured(self, server: Server, clients: list[_BookWith], seconds: float) -> Measured:
        took: list[float] = []
        before, began = server.costs(), time.perf_counter()

        async def client(book: _BookWith) -> None:
            while (now := time.perf_counter()) < began + seconds:
                number = next(self._numbers)
                await book(self._body(number), f"key-{number}")
                took.append((time.perf_counter() - now) * 1_000)

        await asyncio.gather(*map(client, clients))
        return summary(server, took, before, began)

    def _body(self, number: int) -> dict[str, str]:
        tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
        return {
            "dentist_id": self._dentist,
            "patient_id": self._patients[number % _PATIENTS],
            "appointment_type_id": self._kind,
            "start": instant(tomorrow + timedelta(minutes=MINUTES * number)),
        }
