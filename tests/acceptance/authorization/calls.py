"""Executes one cell of the matrix, and returns the outcome as the page writes it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.acceptance.authorization.callers import UNKNOWN, Bearer, World, named
from tests.acceptance.authorization.requests import Sent
from tests.support.clinic import schedule
from tests.support.screens import ConnectionRefused, Screen
from tests.support.supabase_wire import raw_supabase

SSE: Final = {"Accept": "text/event-stream"}


async def rest(world: World, bearer: Bearer, route: str, sent: Sent) -> str:
    """The status, and ``shown`` if the answer has what only some callers may see."""
    method, _, path = route.partition(" ")
    answer = await world.api(bearer).send(
        method,
        sent.path or path,
        sent.body,
        raw=sent.raw,
        query=sent.query,
        headers=sent.headers,
    )
    outcome = named(answer.status, answer.code if isinstance(answer.body, dict) else None)
    return f"{outcome} shown" if sent.shows and sent.shows in str(answer.body) else outcome


async def opened(world: World, bearer: Bearer, method: str, path: str) -> str:
    """The status of a page or file; the token is sent as a page never does."""
    answer = await world.api(bearer).send(method, path)
    status = "200" if "make web" in str(answer.body) else str(answer.status)
    if method == "GET" and not path.startswith(("/socket", "/realtime")):
        head = await world.api(bearer).send("HEAD", path)
        assert head.status == answer.status, path
    return status


# --- Socket.IO --------------------------------------------------------------------------


async def namespace(world: World, bearer: Bearer, name: str) -> str:
    try:
        screen = await world.clinic.connect(name, bearer.socket_auth)
    except ConnectionRefused as refused:
        return refused.message
    await screen.close()
    return "ready"


@asynccontextmanager
async def sockets(world: World) -> AsyncIterator[Mapping[str, Screen]]:
    """A connection of every caller that can have one."""
    found: dict[str, Screen] = {}
    async with AsyncExitStack() as stack:
        for name, bearer in world.bearers().items():
            if bearer.namespace and name != "bot→?":
                found[name] = await world.clinic.connect(bearer.namespace, bearer.socket_auth)
                stack.push_async_callback(found[name].close)
        yield found


async def command(screen: Screen | None, name: str, data: Mapping[str, Any]) -> str:
    if screen is None:
        return "–"
    ack = await screen.call(name, dict(data))
    return "ok" if ack["ok"] else str(ack["error"]["code"])


Data = Callable[[World], Any]
COMMANDS: Final[Mapping[str, Mapping[str, Data]]] = {
    "slots:list": {"D's": lambda world: _day(world, world.d.id)},
    "reservation:create": {"a slot at D": lambda world: _plain(world.slot())},
    "reservation:release": {
        "P's at D": lambda world: _id(world.reservation()),
        "unknown": lambda _: _plain({"id": UNKNOWN}),
    },
    "appointment:book": {
        "a slot at D": lambda world: _plain(world.slot()),
        "a slot at D for P": lambda world: _plain({**world.slot(), "patient_id": world.p.id}),
        "P's hold": lambda world: _hold(world),
        "unknown hold": lambda _: _plain({"reservation_id": UNKNOWN}),
    },
    "appointment:update": {
        "P's at D": lambda world: _id(world.kept("appointment"), notes="another note"),
        "unknown": lambda _: _plain({"id": UNKNOWN, "notes": "another note"}),
    },
    "appointment:cancel": {
        "P's at D": lambda world: _id(world.appointment()),
        "unknown": lambda _: _plain({"id": UNKNOWN}),
    },
    "availability:get": {
        "D's": lambda world: _plain({"dentist_id": world.d.id}),
        "unknown": lambda _: _plain({"dentist_id": UNKNOWN}),
    },
    "availability:update": {
        "D's": lambda world: _plain({"dentist_id": world.d.id, **schedule()}),
        "unknown": lambda _: _plain({"dentist_id": UNKNOWN, **schedule()}),
    },
    "profile:get": {"own": lambda _: _plain({})},
    "profile:update": {"own": lambda _: _plain({"time_zone": "Europe/Vienna"})},
    "channel:join": {"public": lambda _: _plain({"channel": "availability:all"})},
    "channel:leave": {"public": lambda _: _plain({"channel": "availability:all"})},
    "auth:refresh": {
        "P's token": lambda world: _plain({"token": world.p.token}),
        "bad token": lambda _: _plain({"token": "nonsense"}),
    },
}
"""The data of each command, by what it is called on."""


async def _plain(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return data


async def _id(made: Any, **more: Any) -> Mapping[str, Any]:
    return {"id": (await made)["id"], **more}


async def _hold(world: World) -> Mapping[str, Any]:
    return {"reservation_id": (await world.reservation())["id"]}


async def _day(world: World, dentist: str) -> Mapping[str, Any]:
    return {**world.clinic.day_of(world.d), "dentist_id": [dentist]}


# --- channels, over each protocol ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wire:
    """A way into a channel."""

    world: World
    screens: Mapping[str, Screen]

    async def changes(self, bearer: Bearer, channel: str) -> str:
        query = {"channel": channel, "since": "now"}
        answer = await self.world.api(bearer).send("GET", "/api/changes", query=query)
        return named(answer.status, answer.code)

    async def stream(self, bearer: Bearer, channel: str) -> str:
        async with self.world.clinic.session.get(
            f"{self.world.clinic.url}/api/changes",
            params={"channel": channel},
            headers={**bearer.headers, **SSE},
        ) as response:
            if response.status == 200:
                assert response.content_type == "text/event-stream"
                return "200"
            return named(response.status, (await response.json())["error"]["code"])

    async def webhook(self, bearer: Bearer, channel: str) -> str:
        body = {"url": self.world.receiver.url, "channels": [channel]}
        api = self.world.api(bearer)
        answer = await api.post("/api/webhooks", body)
        if answer.status == 201:
            assert (await api.delete(f"/api/webhooks/{answer.body['id']}")).status == 204
        return named(answer.status, answer.code)

    async def socket(self, name: str, channel: str) -> str:
        return await command(self.screens.get(name), "channel:join", {"channel": channel})

    async def supabase(self, bearer: Bearer, channel: str) -> str:
        """The protocol cannot name the patient that a service token acts for."""
        if bearer.on_behalf_of is not None:
            return "–"
        clinic = self.world.clinic
        try:
            async with raw_supabase(clinic.session, clinic.url, bearer.token or "") as client:
                reply = await client.join(channel, bearer.token)
        except aiohttp.WSServerHandshakeError as refused:
            return str(refused.status)
        return "ok" if reply.status == "ok" else reply.reason.partition(":")[0]


CHANNELS: Final[Mapping[str, Callable[[World], str]]] = {
    "appointments:dentist:{D}": lambda world: f"appointments:dentist:{world.d.id}",
    "appointments:patient:{P}": lambda world: f"appointments:patient:{world.p.id}",
    "availability:dentist:{D}": lambda world: f"availability:dentist:{world.d.id}",
    "availability:all": lambda _: "availability:all",
    "profiles:user:{P}": lambda world: f"profiles:user:{world.p.id}",
    "profiles:user:{D}": lambda world: f"profiles:user:{world.d.id}",
    "profiles:user:{S}": lambda world: f"profiles:user:{world.s.id}",
    "profiles:dentist:{D}": lambda world: f"profiles:dentist:{world.d.id}",
    "practices:{A}": lambda world: f"practices:{world.practice}",
    "hub:status": lambda _: "hub:status",
    "appointments:patient:{unknown}": lambda _: f"appointments:patient:{UNKNOWN}",
    "appointments:dentist:{unknown}": lambda _: f"appointments:dentist:{UNKNOWN}",
    "practices:{unknown}": lambda _: f"practices:{UNKNOWN}",
    "availability:dentist:{unknown}": lambda _: f"availability:dentist:{UNKNOWN}",
}
"""The channels of the matrix: each kind that the hub has, of P, of D and of an unknown person."""
WIRES: Final = ("changes", "stream", "webhook", "socket", "supabase")
