"""Presence of Supabase clients is one over all nodes: whoever is there, is there everywhere."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.clock import SystemClock
from store.nodes import open_nodes
from store.postgres_connect import PostgresSettings
from tests.integration.cluster_world import logs as logs
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import three as three
from tests.integration.cluster_world import valkey as valkey
from tests.support.clinic import Person, appointments_of
from tests.support.cluster import NodeOf, all_know, nodes, one_node
from tests.support.database import OnPostgres, url_of
from tests.support.eventually import eventually
from tests.support.running import Template
from tests.support.supabase_clients import real_client
from tests.support.supabase_wire import RawSupabase, raw_supabase
from tests.support.valkey import ValkeyServer

CONVERGED_S = 8.0


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """One to be killed."""
    server = ValkeyServer()
    server.start()
    try:
        yield server
    finally:
        server.remove()


class Desk:
    """A raw client in the channel of a person's appointments: who it thinks is there."""

    def __init__(self, raw: RawSupabase, topic: str) -> None:
        self._raw, self._topic = raw, topic
        self.there: dict[str, str] = {}
        """Key by ``phx_ref``, as clients count it together."""
        self.left: set[str] = set()
        """Keys that were told to have gone, ever."""

    async def track(self, **said: Any) -> None:
        tracked = {"event": "track", "payload": said}
        assert (await self._raw.ask(self._topic, "presence", tracked)).status == "ok"

    async def untrack(self) -> None:
        assert (await self._raw.ask(self._topic, "presence", {"event": "untrack"})).status == "ok"

    async def sees(self, *keys: str, within_s: float = 2.0) -> None:
        assert await eventually(lambda: self._sees(keys), within_s), self.there

    async def has_told_leaving(self, key: str) -> bool:
        await self._sees(())
        return key in self.left

    async def _sees(self, keys: Sequence[str]) -> bool:
        await self._raw.alive()  # what was sent before has been read
        kept, self._raw.kept = self._raw.kept, []
        for heard in kept:
            if heard.event == "presence_state":
                self.there = _refs(heard.payload)
            elif heard.event == "presence_diff":
                for ref in _refs(heard.payload["leaves"]):
                    self.left.add(self.there.pop(ref))
                self.there |= _refs(heard.payload["joins"])
        return sorted(self.there.values()) == sorted(keys)


def _refs(presences: dict[str, Any]) -> dict[str, str]:
    return {meta["phx_ref"]: key for key, e in presences.items() for meta in e["metas"]}


@asynccontextmanager
async def at(node: NodeOf, person: Person, key: str) -> AsyncIterator[Desk]:
    """Somebody's own channel, joined at a node, with a presence key."""
    channel = appointments_of(person)
    async with raw_supabase(node.clinic.session, node.url, person.token) as raw:
        await raw.joined(channel, presence={"key": key, "enabled": True})
        yield Desk(raw, f"realtime:{channel}")


async def test_who_comes_and_goes_at_one_node_is_seen_at_all(three: Sequence[NodeOf]) -> None:
    dentist = three[0].clinic.dentists[0]
    async with at(three[0], dentist, "a") as a, at(three[1], dentist, "b") as b:
        await a.track(room=1)
        await b.sees("a")
        await b.track(room=2)
        await a.sees("a", "b")
        async with at(three[2], dentist, "later") as later:
            await later.sees("a", "b", within_s=0)
        await a.track(room=3)
        await b.sees("a", "b")
        await b.untrack()
        await a.sees("a")
        async with at(three[2], dentist, "c") as c:
            await c.track()
            await a.sees("a", "c")
        await a.sees("a")  # its socket was closed


async def test_official_clients_at_two_nodes_see_each_other(three: Sequence[NodeOf]) -> None:
    dentist = three[0].clinic.dentists[0]
    channel = appointments_of(dentist)
    async with (
        real_client("realtime-py", three[0].url, dentist.token) as python,
        real_client("realtime-js 2.0.0", three[1].url, dentist.token) as javascript,
    ):
        for client, key in ((python, "python"), (javascript, "javascript")):
            config = {"presence": {"key": key, "enabled": True}}
            await client.join(channel, presence=True, config=config)
            await client.do("track", name=channel, said={"here": key})
        for client in (python, javascript):
            await client.until(
                lambda told: (
                    told.what == "presence" and set(told.message) == {"python", "javascript"}
                )
            )


async def test_other_peoples_presence_does_not_come_along(three: Sequence[NodeOf]) -> None:
    one, other = three[0].clinic.dentists[0], three[0].clinic.dentists[1]
    async with (
        at(three[0], one, "one") as here,
        at(three[1], one, "two") as there,
        at(three[1], other, "other") as stranger,
    ):
        await here.track()
        await there.sees("one")
        await stranger.sees(within_s=0)


async def test_a_node_that_leaves_takes_its_presences_and_one_that_joins_learns_of_all(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as made:
        database = made[0].clinic.database
        assert isinstance(database, OnPostgres)
        dentist = made[0].clinic.dentists[0]
        async with at(made[0], dentist, "stays") as stays, AsyncExitStack() as going:
            await stays.track()
            third = await going.enter_async_context(one_node(template, database, valkey.url))
            await all_know([*made, third], 3)
            async with at(third, dentist, "goes") as goes:
                await goes.sees("stays", within_s=CONVERGED_S)
                await goes.track()
                await stays.sees("stays", "goes", within_s=CONVERGED_S)
                await going.aclose()
                await stays.sees("stays", within_s=CONVERGED_S)


async def test_a_node_that_is_buried_loses_its_presences_elsewhere_and_says_them_anew(
    three: Sequence[NodeOf],
) -> None:
    """As when it was cut off from PostgreSQL: it lives again, under another name."""
    dentist = three[0].clinic.dentists[0]
    async with at(three[0], dentist, "here") as here, at(three[1], dentist, "there") as there:
        await here.track()
        await there.track()
        await here.sees("here", "there")
        lives = three[1].cluster.membership.lives
        await _bury(three[1])
        assert await eventually(lambda: three[1].cluster.membership.lives > lives, CONVERGED_S)
        assert await eventually(lambda: here.has_told_leaving("there"), CONVERGED_S)
        await here.sees("here", "there", within_s=CONVERGED_S)
        await there.sees("here", "there", within_s=CONVERGED_S)


async def _bury(node: NodeOf) -> None:
    database = node.clinic.database
    assert isinstance(database, OnPostgres)
    async with open_nodes(url_of(database), PostgresSettings(), SystemClock()) as rows:
        await rows.leave(node.id)


async def test_what_was_said_while_redis_was_away_is_known_everywhere_soon_after(
    template: Template, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, own_valkey, 2) as made:
        dentist = made[0].clinic.dentists[0]
        async with (
            at(made[0], dentist, "a") as a,
            at(made[1], dentist, "b") as b,
            at(made[1], dentist, "gone") as gone,
        ):
            await gone.track()
            await a.sees("gone")
            own_valkey.kill()
            away = lambda: not made[0].cluster.fanout.stream.up  # noqa: E731  # a question
            assert await eventually(away, CONVERGED_S)
            await a.track()
            await b.track()
            await gone.untrack()
            await a.sees("a", "gone")  # nobody leaves because Redis has gone
            own_valkey.start()
            for each in (a, b):
                await each.sees("a", "b", within_s=CONVERGED_S)
