"""Twenty screens live five minutes of a bad network in some seconds: connections are reset and
half-open, networks go down, the hub is killed and comes back, while the clinic goes on. In the
end each screen was shown exactly what was committed to its channels, once and in order.

Time runs :data:`FASTER` times faster than in a clinic: heartbeats, positions and the lives of
connections are as much shorter.
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chairside.client import ClientError, HubClient, HubEvent, LiveClient, Position, RetryPolicy
from tests.support.clinic import CHATBOT, DAYS_AHEAD, Clinic, Person
from tests.support.database import HEADS, Database, rows
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.node import Program, program
from tests.support.process import UNLIMITED, HubProcess, hub_process
from tests.support.proxy import Network, network_to
from tests.support.running import Template

LIFE_S = 15.0
FASTER = 300 / LIFE_S
KILLS = 2
SETTLE_S = 30.0
SEEDS_LONG = range(2, 22)
SETTINGS = {
    **UNLIMITED,
    "CHAIRSIDE_REALTIME_PING_INTERVAL_S": str(25 / FASTER),
    "CHAIRSIDE_REALTIME_PING_TIMEOUT_S": "1.5",
    "CHAIRSIDE_REALTIME_POSITION_INTERVAL_S": str(10 / FASTER),
}
RETRY = RetryPolicy(attempts=12, first_delay_s=0.05, longest_delay_s=0.5)
WAYS: Sequence[Sequence[str]] = (("websocket",), ("polling",), ("polling", "websocket"))

Shown = Mapping[str, Sequence[Mapping[str, Any]]]
"""What a screen was shown, by channel: ``offset``, ``id``, ``type``, ``data`` of each event."""


@pytest.mark.timeout(150)
async def test_every_screen_shows_what_was_committed(template: Template, tmp_path: Path) -> None:
    await live_and_audit(template, tmp_path, seed=1)


@pytest.mark.long
@pytest.mark.timeout(150)
@pytest.mark.parametrize("seed", SEEDS_LONG)
async def test_every_screen_shows_what_was_committed_after_many_faults(
    template: Template, tmp_path: Path, seed: int
) -> None:
    await live_and_audit(template, tmp_path, seed)


@dataclass
class Screen:
    """A Python screen, and where each of its channels began to be shown."""

    name: str
    shown: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    starts: dict[str, Position] = field(default_factory=dict)
    refetched: list[str] = field(default_factory=list)
    client: LiveClient | None = None

    def on_event(self, event: HubEvent) -> None:
        assert event.offset is not None
        shown = {"offset": event.offset, "id": event.id, "type": event.type, "data": event.data}
        self.shown.setdefault(event.channel, []).append(shown)

    def on_refetch(self, channel: str, position: Position) -> None:
        if channel in self.starts:
            self.refetched.append(channel)
        else:
            self.starts[channel] = position


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Who sits before a screen."""

    name: str
    namespace: str
    auth: Mapping[str, str]
    transports: Sequence[str]
    official: bool
    """With the official JavaScript client, else with ours."""


def seats_of(clinic: Clinic) -> list[Seat]:
    """Twenty: dentists, patients and chatbots, on every way there is, with both clients."""

    def person(number: int, who: Person) -> tuple[str, str, dict[str, str]]:
        return f"{who.name} {number}", f"/{who.role}", {"token": who.token}

    def chatbot(number: int, who: Person) -> tuple[str, str, dict[str, str]]:
        return f"chatbot {number}", "/chatbot", {"token": CHATBOT, "on_behalf_of": who.id}

    dentists = [person(n, clinic.dentists[n % 3]) for n in range(8)]
    patients = [person(n, clinic.patients[n]) for n in range(8)]
    chatbots = [chatbot(n, clinic.patients[n]) for n in range(4)]
    return [
        Seat(
            name=name,
            namespace=namespace,
            auth=auth,
            transports=WAYS[number % 3],
            official=number % 4 == 1,
        )
        for number, (name, namespace, auth) in enumerate([*dentists, *patients, *chatbots])
    ]


@asynccontextmanager
async def python_screens(url: str, seats: Sequence[Seat]) -> AsyncIterator[list[Screen]]:
    async with AsyncExitStack() as opened:
        screens = []
        for seat in seats:
            screen = Screen(seat.name)
            screen.client = await opened.enter_async_context(
                LiveClient(
                    url,
                    namespace=seat.namespace,
                    token=seat.auth["token"],
                    on_behalf_of=seat.auth.get("on_behalf_of"),
                    on_event=screen.on_event,
                    on_refetch=screen.on_refetch,
                    transports=seat.transports,
                    fallback=False,
                    retry=RETRY,
                    timeout_s=5.0,
                )
            )
            screens.append(screen)
        yield screens


async def open_official(node: Program, url: str, seats: Sequence[Seat]) -> dict[str, Any]:
    """Returns where each channel of each screen begins."""
    await node.send(
        {
            "open": {
                seat.name: {
                    "url": url,
                    "namespace": seat.namespace,
                    "auth": seat.auth,
                    "transports": seat.transports,
                }
                for seat in seats
            }
        }
    )
    assert await node.answer() == {"opened": len(seats)}
    return await request(node, "places")


async def request(node: Program, what: str) -> dict[str, Any]:
    await node.send({what: True})
    answer = await node.answer()
    assert isinstance(answer, dict)
    return answer


class Life:
    """The clinic's life: patients book, change and cancel; dentists change hours."""

    def __init__(self, clinic: Clinic, chance: random.Random) -> None:
        self._clinic, self._chance = clinic, chance
        self._starts = itertools.count()
        self._booked: list[tuple[HubClient, str]] = []
        self.done: Counter[str] = Counter()
        self.over = asyncio.Event()

    async def live(self) -> None:
        async with asyncio.TaskGroup() as people:
            for who in self._clinic.patients[:6]:
                people.create_task(self._visit(who))
            people.create_task(self._work(self._clinic.dentists[0]))

    def _api(self, who: Person) -> HubClient:
        return HubClient(
            self._clinic.url,
            token=who.token,
            session=self._clinic.session,
            retry=RETRY,
            timeout_s=5.0,
        )

    async def _visit(self, who: Person) -> None:
        api, chance = self._api(who), self._chance
        while not self.over.is_set():
            try:
                await self._do(api, chance.choice(("book", "book", "hold", "change", "cancel")))
            except ClientError as error:  # e.g. the hub was away for longer than the retries
                self.done[type(error).__name__] += 1
            await asyncio.sleep(chance.uniform(0.1, 0.6))

    async def _do(self, api: HubClient, what: str) -> None:
        if what in ("change", "cancel") and not self._booked:
            what = "book"
        match what:
            case "book":
                row = await api.book_slot(**self._free_slot())
                self._booked.append((api, row["id"]))
            case "hold":
                held = await api.hold(**self._free_slot())
                await api.release(held["id"])
            case _:
                owner, row_id = self._booked.pop(self._chance.randrange(len(self._booked)))
                if what == "cancel":
                    await owner.cancel(row_id)
                else:
                    await owner.change(row_id, notes=f"changed {self.done[what]}")
                    self._booked.append((owner, row_id))
        self.done[what] += 1

    async def _work(self, dentist: Person) -> None:
        """Changes opening hours again and again, which is announced to all."""
        api = self._api(dentist)
        while not self.over.is_set():
            try:
                shown = await api.availability(dentist.id)
                await api.replace_availability(
                    dentist.id, {**shown, "min_notice_minutes": self._chance.randrange(60)}
                )
                self.done["hours"] += 1
            except ClientError as error:
                self.done[type(error).__name__] += 1
            await asyncio.sleep(self._chance.uniform(0.5, 1.5))

    def _free_slot(self) -> dict[str, Any]:
        """A unique time, so that all commands of this process are accepted."""
        number = next(self._starts)
        day, slot = divmod(number, 18)
        dentist = self._clinic.dentists[(number % 2) * 2]  # those of UTC
        return {
            "dentist_id": dentist.id,
            "appointment_type_id": self._clinic.types["check-up"],
            "start": self._clinic.at(
                f"{8 + slot // 2:02}:{30 * (slot % 2):02}", days=DAYS_AHEAD + day
            ),
        }


@dataclass
class Weather:
    """What the network did to the connections."""

    network: Network
    chance: random.Random
    did: Counter[str] = field(default_factory=Counter)

    async def blow(self) -> None:
        """Until cancelled; afterwards new connections are whole, broken ones stay broken."""
        try:
            while True:
                await asyncio.sleep(self.chance.uniform(0.1, 0.6))
                await self._gust()
        finally:
            self.network.down = False

    async def _gust(self) -> None:
        what = self.chance.choice(("reset", "reset", "freeze", "delay", "down"))
        self.did[what] += 1
        match what:
            case "reset":
                for passage in self.network.some(self.chance, 0.25):
                    passage.reset()
            case "freeze":
                for passage in self.network.some(self.chance, 0.1):
                    passage.freeze()
            case "delay":
                for passage in self.network.some(self.chance, 0.3):
                    passage.delay_s = self.chance.uniform(0.0, 0.1)
            case "down":
                self.network.down = True
                await asyncio.sleep(self.chance.uniform(0.1, 0.5))
                self.network.down = False


async def live_and_audit(template: Template, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    database = template.copy_to(folder)
    async with (
        hub_process(database, folder, **SETTINGS) as hub,
        network_to(hub.url) as network,
        aiohttp.ClientSession() as session,
        program("screens.mjs") as node,
    ):
        clinic = Clinic(hub.url, template.people, session, AsyncExitStack(), database)
        seats = seats_of(clinic)
        ours = [seat for seat in seats if not seat.official]
        theirs = [seat for seat in seats if seat.official]
        async with python_screens(network.url, ours) as screens:
            starts = await open_official(node, network.url, theirs)
            weather = Weather(network, chance)
            life = Life(clinic, chance)
            await bad_times(hub, life, weather, chance)
            shown = await settled(database, screens, node)
            connections = sum(screen.client.connections for screen in screens if screen.client)
    starts |= {
        screen.name: {channel: position.to_wire() for channel, position in screen.starts.items()}
        for screen in screens
    }
    problems = audit(database, starts, shown)
    print(
        f"\nseed {seed}: {dict(life.done)}, weather {dict(weather.did)}, {KILLS} kills;"
        f" {sum(len(each) for screen in shown.values() for each in screen.values())} events shown"
        f" on {len(shown)} screens, {connections} connections of {len(screens)} Python screens"
    )
    assert problems == []
    assert problems_of(database) == []
    assert [screen.refetched for screen in screens if screen.refetched] == []
    assert connections >= 3 * len(screens), "the weather was bad"
    assert life.done["book"] > 10, "the clinic went on"


async def bad_times(hub: HubProcess, life: Life, weather: Weather, chance: random.Random) -> None:
    """Five minutes, as they are counted here."""
    async with asyncio.TaskGroup() as tasks:
        living = tasks.create_task(life.live())
        blowing = tasks.create_task(weather.blow())
        for _ in range(KILLS):
            await asyncio.sleep(LIFE_S / (KILLS + 1) * chance.uniform(0.7, 1.0))
            await hub.kill()
            await hub.start()
        await asyncio.sleep(LIFE_S / (KILLS + 1))
        life.over.set()
        await living
        blowing.cancel()


async def settled(database: Database, screens: Sequence[Screen], node: Program) -> dict[str, Shown]:
    """Wait until every screen is where its channels are; what each was shown."""

    async def behind() -> list[str]:
        heads = {
            row["channel"]: {"epoch": row["epoch"], "offset": row["offset"]}
            for row in rows(database, HEADS)
        }
        positions = await request(node, "places")
        for screen in screens:
            assert screen.client is not None
            known = {name: tracker.position for name, tracker in screen.client.trackers.items()}
            positions[screen.name] = {
                name: position.to_wire() for name, position in known.items() if position is not None
            }
        return [
            f"{name} is at {position} of {channel}, which is at {heads[channel]}"
            for name, channels in positions.items()
            for channel, position in channels.items()
            if channel in heads and position != heads[channel]
        ]

    late: list[str] = ["not looked at"]

    async def nobody_is() -> bool:
        nonlocal late
        late = await behind()
        return not late

    await eventually(nobody_is, SETTLE_S)
    assert late == []
    assert await eventually(lambda: not pending(database), 5.0)
    stories = await request(node, "received")
    for name, story in stories.items():
        assert len(story["refetches"]) == len(set(story["refetches"])), f"{name} lost its history"
    shown: dict[str, Shown] = {name: story["received"] for name, story in stories.items()}
    return shown | {screen.name: screen.shown for screen in screens}


def audit(
    database: Database, starts: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Shown]
) -> list[str]:
    """Everything in which a screen differs from ``realtime_events``."""
    sql = 'SELECT * FROM realtime_events ORDER BY channel, "offset"'
    history: dict[str, list[dict[str, Any]]] = {}
    for row in rows(database, sql):
        history.setdefault(row["channel"], []).append(
            {
                "offset": row["offset"],
                "id": row["event_id"],
                "type": row["type"],
                "data": json.loads(row["payload"]),
            }
        )
    problems = []
    for name, channels in starts.items():
        assert shown[name], f"{name} was shown nothing"
        for channel, start in channels.items():
            expected = [
                each for each in history.get(channel, []) if each["offset"] > start["offset"]
            ]
            of_channel = [
                {key: each[key] for key in ("offset", "id", "type", "data")}
                for each in shown[name].get(channel, ())
            ]
            if of_channel != expected:
                positions = [each["offset"] for each in of_channel]
                problems.append(f"{name}, {channel}: {positions} of {len(expected)}")
    return problems
