"""Several hub processes on one PostgreSQL and one Valkey, behind a balancer."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from chairside.client import Position
from chairside.traffic.screens import Observer
from chairside.traffic.simulation import Simulation
from tests.support.balancer import Balancer, balancer_for
from tests.support.clinic import Clinic, Person
from tests.support.database import HEADS, OnPostgres, rows
from tests.support.eventually import eventually
from tests.support.histories import watch_fences
from tests.support.ports import free_port
from tests.support.postgres import LOGIN, postgres_server
from tests.support.process import UNLIMITED, HubProcess
from tests.support.proxy import Network, network_to
from tests.support.running import Template
from tests.support.valkey import ValkeyServer, valkey_server

SHOWN_S = 5.0
"""The limit for every screen to show what was committed when a failure ended."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    template: Template
    database: OnPostgres
    hubs: list[HubProcess]
    balancer: Balancer
    session: aiohttp.ClientSession
    shown_after_s: list[float] = field(default_factory=list)
    """For each failure: the time until every screen showed the committed state."""

    def clinic(self, hub: HubProcess) -> Clinic:
        return Clinic(hub.url, self.template.people, self.session, AsyncExitStack(), self.database)

    def owner_of(self, dentist: Person) -> HubProcess:
        """The hub that owns the calendar, by the database."""
        owner = self.owners()[dentist.id]
        return next(each for each in self.hubs if each.runs and self.node_of(each) == owner)

    def owners(self) -> dict[str, str | None]:
        found = rows(self.database, "SELECT dentist_id, owner FROM calendars")
        return {row["dentist_id"]: row["owner"] for row in found}

    def node_of(self, hub: HubProcess) -> str:
        sql = "SELECT id FROM nodes WHERE name = ? ORDER BY joined_at DESC LIMIT 1"
        return str(rows(self.database, sql, str(hub.port))[0]["id"])

    async def all_show(self, simulation: Simulation) -> None:
        """Assert that every screen reaches the heads of its channels within SHOWN_S."""
        ended_s = time.monotonic()
        heads = {
            row["channel"]: Position(epoch=row["epoch"], offset=row["offset"])
            for row in await asyncio.to_thread(rows, self.database, HEADS)
        }

        def behind() -> list[str]:
            return [
                f"{screen.name}: {channel} at {_shown(screen, channel)}, not {heads[channel]}"
                for screen in simulation.observers
                for channel in screen.channels.keys() & heads.keys()
                if not screen.has_reached(channel, heads[channel])
            ]

        left = SHOWN_S - (time.monotonic() - ended_s)
        assert await eventually(lambda: not behind(), left), behind()
        self.shown_after_s.append(round(time.monotonic() - ended_s, 1))


def _shown(screen: Observer, channel: str) -> str:
    seen = screen.channels[channel].shown
    return str(seen[-1].position.offset if seen else screen.channels[channel].start.offset)


@asynccontextmanager
async def fleet(
    template: Template,
    folder: Path,
    *,
    each: Sequence[Mapping[str, str]] = ({}, {}, {}),
    networks: Sequence["NodeNetworks"] = (),
) -> AsyncIterator[Fleet]:
    """Three hubs; ``each``: settings of the first, the second and the third."""
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        watch_fences(database)
        common = {
            "CHAIRSIDE_REDIS_URL": valkey_server().url,
            "CHAIRSIDE_REDIS_STREAM": database.name,
            "CHAIRSIDE_CLUSTER_DRAIN_S": "1",
            "CHAIRSIDE_DATABASE_WRITERS": "4",
            **UNLIMITED,
        }
        async with AsyncExitStack() as stack:
            hubs = []
            for number in range(3):
                (own := folder / str(number)).mkdir()
                settings = {**common, **each[number]}
                if networks:
                    settings["CHAIRSIDE_DATABASE_URL"] = (
                        f"postgresql://{LOGIN}@127.0.0.1:{networks[number].postgres.port}"
                        f"/{database.name}"
                    )
                hub = HubProcess(database, own, **settings)
                hub.set("CHAIRSIDE_CLUSTER_NAME", str(hub.port))
                await hub.start()
                stack.push_async_callback(hub.end)
                hubs.append(hub)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            balancer = await stack.enter_async_context(balancer_for([h.port for h in hubs]))
            yield Fleet(
                template=template,
                database=database,
                hubs=hubs,
                balancer=balancer,
                session=session,
            )


@dataclass(frozen=True, kw_only=True)
class NodeNetworks:
    """The networks of one node: to PostgreSQL, to Redis, and from other nodes to it."""

    postgres: Network
    redis: Network
    nodes: Network


@asynccontextmanager
async def fleet_with_networks(
    template: Template, folder: Path, valkey: ValkeyServer, **all_of_them: str
) -> AsyncIterator[tuple[Fleet, list[NodeNetworks]]]:
    """Three hubs; the networks of each can fail independently. ``all_of_them``: settings."""
    async with AsyncExitStack() as stack:
        networks, settings = [], []
        server = postgres_server()
        for _ in range(3):
            port = free_port()
            node = NodeNetworks(
                postgres=await stack.enter_async_context(_network(server.port)),
                redis=await stack.enter_async_context(_network(valkey.port)),
                nodes=await stack.enter_async_context(_network(port)),
            )
            networks.append(node)
            settings.append(
                {
                    **all_of_them,
                    "CHAIRSIDE_REDIS_URL": f"redis://127.0.0.1:{node.redis.port}/0",
                    "CHAIRSIDE_CLUSTER_PORT": str(port),
                    "CHAIRSIDE_CLUSTER_ADVERTISE": node.nodes.url,
                }
            )
        hubs = await stack.enter_async_context(
            fleet(template, folder, each=settings, networks=networks)
        )
        yield hubs, networks


def _network(port: int) -> AbstractAsyncContextManager[Network]:
    return network_to(f"http://127.0.0.1:{port}")
