"""Makes every event of the hub happen, and records who received it, over which protocol."""

import ast
import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.acceptance.authorization.callers import NOTE, Bearer, World
from tests.acceptance.authorization.calls import CHANNELS, sockets
from tests.acceptance.authorization.table import Row
from tests.support.clinic import schedule
from tests.support.database import execute
from tests.support.eventually import eventually
from tests.support.process import ROOT
from tests.support.screens import Screen
from tests.support.sse import Listener, listening
from tests.support.supabase_wire import RawSupabase, raw_supabase

NOTICES: Final = frozenset({"webhook.ping", "webhook.disabled", "channel.reset"})
"""What the hub sends to a webhook about itself."""
_LAST: Final = "appointment_types.updated"
"""Everyone receives it, and it happens last."""
_JOINED: Final = frozenset({"200", "201", "ok"})
_SOURCES: Final = (
    "actors/domain/announcements.py",
    "api/realtime/socketio/service.py",
    "hub/webhooks/messages.py",
    "hub/webhooks/dispatcher.py",
    "hub/webhooks/delivery.py",
)


def types_in_code() -> set[str]:
    """Every type of an event that the hub publishes: the texts ``noun.verb`` of its sources."""
    found = set[str]()
    for name in _SOURCES:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        found |= {t for t in texts if isinstance(t, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", t)}
    return found


@dataclass(eq=False)
class Ears:
    """All that each caller receives, over each protocol."""

    world: World
    screens: Mapping[str, Screen] = field(default_factory=dict)
    streams: dict[str, Listener] = field(default_factory=dict)
    topics: dict[str, RawSupabase] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)
    """The path of each caller's webhook."""
    supabase: dict[str, list[object]] = field(default_factory=lambda: defaultdict(list))

    def wires(self, name: str) -> set[str]:
        """The protocols that the caller can use."""
        known: tuple[tuple[str, Collection[str]], ...] = (
            ("socket", self.screens),
            ("stream", self.streams),
            ("supabase", self.topics),
            ("webhook", self.hooks),
        )
        return {wire for wire, callers in known if name in callers}

    def types(self, name: str) -> Mapping[str, set[str]]:
        """The types of the events that arrived over each protocol."""
        found: dict[str, set[str]] = {wire: set() for wire in self.wires(name)}
        if name in self.screens:
            found["socket"] = {each.event for each in self.screens[name].events()}
        if name in self.streams:
            found["stream"] = {frame.event for frame in self.streams[name].events}
        if name in self.topics:
            found["supabase"] = {
                each["event"] for each in self.supabase[name] if isinstance(each, dict)
            }
        if name in self.hooks:
            found["webhook"] = {
                each.event["type"]
                for each in self.world.receiver.requests
                if each.path == self.hooks[name]
            }
        return found

    def everything(self, name: str) -> str:
        """All that arrived, as text."""
        hooks = [e.event for e in self.world.receiver.requests if e.path == self.hooks.get(name)]
        screen, stream = self.screens.get(name), self.streams.get(name)
        received = [e.data for e in screen.events()] if screen else []
        return json.dumps(
            [received, [f.data for f in stream.events] if stream else [], hooks]
        ) + str(self.supabase[name])

    async def listen_to_topics(self, name: str) -> None:
        while True:
            message = await self.topics[name].read(60)
            if message.event == "broadcast":
                self.supabase[name].append(message.payload)
            elif message.event == "postgres_changes":
                self.supabase[name].append({"event": "postgres_changes", "data": message.payload})


@asynccontextmanager
async def listening_everywhere(world: World, rows: Collection[Row]) -> AsyncIterator[Ears]:
    """Every caller in every channel that the page lets them join, over every protocol."""
    async with AsyncExitStack() as stack:
        ears = Ears(world, await stack.enter_async_context(sockets(world)))
        for name in ears.screens:
            bearer = world.bearers()[name]
            allowed: dict[str, list[str]] = defaultdict(list)
            for row in rows:
                if row.cells[name] in _JOINED:
                    allowed[row.target].append(CHANNELS[row.call](world))
            for channel in allowed["socket"]:
                await ears.screens[name].ok("channel:join", {"channel": channel})
            await _open_stream(stack, ears, name, bearer, allowed["stream"])
            if allowed["supabase"]:
                await _open_topics(stack, ears, name, bearer, allowed["supabase"])
            if allowed["webhook"]:
                await _register(ears, name, bearer, allowed["webhook"])
        yield ears


async def _open_stream(
    stack: AsyncExitStack, ears: Ears, name: str, bearer: Bearer, channels: list[str]
) -> None:
    clinic, extra = ears.world.clinic, bearer.headers
    stream = listening(clinic.session, clinic.url, bearer.token or "", channels, headers=extra)
    ears.streams[name] = await stack.enter_async_context(stream)
    await ears.streams[name].until(1)


async def _open_topics(
    stack: AsyncExitStack, ears: Ears, name: str, bearer: Bearer, channels: list[str]
) -> None:
    clinic = ears.world.clinic
    opened = raw_supabase(clinic.session, clinic.url, bearer.token or "")
    ears.topics[name] = await stack.enter_async_context(opened)
    rows = [{"event": "*", "schema": "public", "table": "appointments"}]
    if name not in ("S", "S2"):  # staff are refused: test_staff.py
        await ears.topics[name].joined("rows-of-mine", bearer.token, changes=rows)
    for channel in channels:
        await ears.topics[name].joined(channel, bearer.token)
    task = asyncio.create_task(ears.listen_to_topics(name))
    stack.callback(task.cancel)


async def _register(ears: Ears, name: str, bearer: Bearer, channels: list[str]) -> None:
    path = f"/{len(ears.hooks)}"
    url = ears.world.receiver.url.removesuffix("/hook") + path
    body = {"url": url, "channels": channels}
    made = await ears.world.api(bearer).post("/api/webhooks", body)
    assert made.status == 201, made.body
    ears.hooks[name] = path


async def make_everything_happen(world: World) -> None:
    """Needs holds of a second or less."""
    p, d = world.clinic.api(world.p), world.clinic.api(world.d)
    first = (await p.post("/api/reservations", world.slot())).body["id"]
    released = await p.delete(f"/api/reservations/{first}")
    assert released.status == 204
    expiring = (await p.post("/api/reservations", world.slot())).body["id"]
    made = await world.appointment()
    path = f"/api/appointments/{made['id']}"
    assert (await p.put(path, {"notes": NOTE + "!"})).status == 200
    assert (await p.delete(path)).status == 204
    moves = f"/api/appointments/{(await world.appointment())['id']}"
    assert (await p.put(moves, world.place_at_colleague())).status == 200
    saved = await d.put(f"/api/availability/{world.d.id}", schedule(slot_step_minutes=10))
    assert saved.status == 200, saved.body
    assert (await p.put("/api/profiles/me", {"phone": "+1 555 0199"})).status == 200
    assert (await d.put("/api/profiles/me", {"time_zone": "Europe/Vienna"})).status == 200
    practice = f"/api/practices/{world.practice}"
    execute(
        world.clinic.database,
        f"UPDATE profiles SET date_of_birth = '1980-03-08' WHERE id = '{world.p2.id}'",  # noqa: S608  # an id
    )
    found = await world.clinic.api(world.clinic.dentists[2]).post(
        "/api/patients/lookup", {"phone": "+1 555 0101", "date_of_birth": "1980-03-08"}
    )
    assert found.body["id"] == world.p2.id
    linked = await world.clinic.api(world.clinic.dentists[2]).post(
        f"/api/practices/{world.clinic.practices[1]}/patients", {"patient_id": world.p2.id}
    )
    assert linked.status == 200
    one, other = await world.patient_of_a(), await world.patient_of_a()
    merged = await world.clinic.api(world.clinic.staff[0]).post(
        f"/api/patients/{one['id']}/merge", {"into": other["id"]}
    )
    assert merged.status == 200, merged.body
    renamed = await world.clinic.admin.put(practice, {"phone": "+1 555 0300"})
    assert renamed.status == 200

    async def expired() -> bool:
        return (await p.get(f"/api/reservations/{expiring}")).status == 410

    assert await eventually(expired, 5.0)
    kind = {"name": "Surgery", "duration_minutes": 45, "buffer_after_minutes": 15}
    changed = await world.clinic.admin.put(
        f"/api/appointment-types/{world.clinic.types['surgery']}", kind
    )
    assert changed.status == 200, changed.body


async def until_all_arrived(ears: Ears, expected: Mapping[str, Mapping[str, set[str]]]) -> None:
    """Everyone has the last event, and all that they should have; or 5 s are over."""

    def arrived() -> bool:
        return all(
            wanted <= ears.types(name)[wire] and (_LAST in ears.types(name)[wire])
            for name, wires in expected.items()
            for wire, wanted in wires.items()
        )

    await eventually(arrived, 5.0)
