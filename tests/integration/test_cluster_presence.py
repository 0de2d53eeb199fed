"""Presence of Supabase clients: all nodes show the same state."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from hub.clock import SystemClock
from store.postgres.nodes import open_nodes
from store.settings import DatabaseSettings
from tests.integration.cluster_world import logs as logs
from tests.integration.cluster_world import own_valkey as own_valkey
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import three as three
from tests.integration.cluster_world import valkey as valkey
from tests.support.clinic import appointments_of
from tests.support.cluster import ClusterNode, all_know, nodes, one_node
from tests.support.database import OnPostgres, url_of
from tests.support.eventually import eventually
from tests.support.presence import at
from tests.support.running import Template
from tests.support.supabase_clients import real_client
from tests.support.valkey import ValkeyServer

CONVERGED_S = 8.0


async def test_joins_and_leaves_at_one_node_are_seen_at_all(three: Sequence[ClusterNode]) -> None:
    dentist = three[0].clinic.dentists[0]
    async with at(three[0].clinic, dentist, "a") as a, at(three[1].clinic, dentist, "b") as b:
        await a.track(room=1)
        await b.sees("a")
        await b.track(room=2)
        await a.sees("a", "b")
        async with at(three[2].clinic, dentist, "later") as later:
            await later.sees("a", "b", within_s=0)
        await a.track(room=3)
        await b.sees("a", "b")
        await b.untrack()
        await a.sees("a")
        async with at(three[2].clinic, dentist, "c") as c:
            await c.track()
            await a.sees("a", "c")
        await a.sees("a")  # its socket was closed


async def test_official_clients_at_two_nodes_see_each_other(three: Sequence[ClusterNode]) -> None:
    dentist = three[0].clinic.dentists[0]
    channel = appointments_of(dentist)
    async with (
        real_client("realtime-py", three[0].url, dentist.token) as python,
        real_client("realtime-js 2.0.0", three[1].url, dentist.token) as javascript,
    ):
        for client, key in ((python, "python"), (javascript, "javascript")):
            config = {"presence": {"key": key, "enabled": True}}
            await client.join(channel, presence=True, config=config)
            await client.do("track", name=channel, meta={"here": key})
        for client in (python, javascript):
            await client.until(
                lambda report: (
                    report.type == "presence" and set(report.message) == {"python", "javascript"}
                )
            )


async def test_presence_stays_in_its_channel(three: Sequence[ClusterNode]) -> None:
    one, other = three[0].clinic.dentists[0], three[0].clinic.dentists[1]
    async with (
        at(three[0].clinic, one, "one") as here,
        at(three[1].clinic, one, "two") as there,
        at(three[1].clinic, other, "other") as outsider,
    ):
        await here.track()
        await there.sees("one")
        await outsider.sees(within_s=0)


async def test_a_joining_node_learns_presence_and_a_leaving_one_removes_it(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, valkey, 2) as made:
        database = made[0].clinic.database
        assert isinstance(database, OnPostgres)
        dentist = made[0].clinic.dentists[0]
        async with at(made[0].clinic, dentist, "stays") as stays, AsyncExitStack() as going:
            await stays.track()
            third = await going.enter_async_context(one_node(template, database, valkey.url))
            await all_know([*made, third], 3)
            async with at(third.clinic, dentist, "goes") as goes:
                await goes.sees("stays", within_s=CONVERGED_S)
                await goes.track()
                await stays.sees("stays", "goes", within_s=CONVERGED_S)
                await going.aclose()
                await stays.sees("stays", within_s=CONVERGED_S)


async def test_a_node_declared_dead_publishes_its_presence_again(
    three: Sequence[ClusterNode],
) -> None:
    """It rejoins under another name, as after a loss of PostgreSQL."""
    dentist = three[0].clinic.dentists[0]
    async with (
        at(three[0].clinic, dentist, "here") as here,
        at(three[1].clinic, dentist, "there") as there,
    ):
        await here.track()
        await there.track()
        await here.sees("here", "there")
        members = three[1].cluster.membership
        before = members.incarnations
        await _declare_dead(three[1])
        assert await eventually(lambda: members.incarnations > before, CONVERGED_S)
        assert await eventually(lambda: here.has_seen_leave("there"), CONVERGED_S)
        await here.sees("here", "there", within_s=CONVERGED_S)
        await there.sees("here", "there", within_s=CONVERGED_S)


async def _declare_dead(node: ClusterNode) -> None:
    database = node.clinic.database
    assert isinstance(database, OnPostgres)
    async with open_nodes(
        DatabaseSettings(url=url_of(database)), SystemClock(), renew_s=10.0
    ) as rows:
        await rows.leave(node.id)


async def test_presence_changed_without_redis_converges_after_it(
    template: Template, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, own_valkey, 2) as made:
        dentist = made[0].clinic.dentists[0]
        async with (
            at(made[0].clinic, dentist, "a") as a,
            at(made[1].clinic, dentist, "b") as b,
            at(made[1].clinic, dentist, "gone") as gone,
        ):
            await gone.track()
            await a.sees("gone")
            own_valkey.kill()
            away = lambda: not made[0].cluster.receiver.reader.up  # noqa: E731  # a condition to poll
            assert await eventually(away, CONVERGED_S)
            await a.track()
            await b.track()
            await gone.untrack()
            await a.sees("a", "gone")  # the loss of Redis removes no presence
            own_valkey.start()
            for each in (a, b):
                await each.sees("a", "b", within_s=CONVERGED_S)
