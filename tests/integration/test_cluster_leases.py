"""Leases and ownership in PostgreSQL: the living nodes, and the owners of calendars."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.domain.ids import DentistId, ProfileId
from actors.ports.calendars import LoadedCalendar
from actors.ports.commits import OwnedElsewhere
from api.schemas import render
from hub.clock import SystemClock, new_id
from store.engine import Store, open_store
from store.postgres.nodes import Node, Nodes, open_nodes
from store.settings import DatabaseSettings
from tests.support.database import OnPostgres, rows, url_of
from tests.support.eventually import eventually
from tests.support.logs import captured_logs
from tests.support.running import Template, make_template

RENEW_S = 10.0
LONG_S, SHORT_S = 30.0, 0.2


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"), "postgres")


@pytest.fixture
def database(template: Template, tmp_path: Path) -> Iterator[OnPostgres]:
    with template.copied_to(tmp_path) as database:
        assert isinstance(database, OnPostgres)
        yield database


@pytest.fixture
async def nodes(database: OnPostgres) -> AsyncIterator[Nodes]:
    async with open_nodes(
        DatabaseSettings(url=url_of(database)), SystemClock(), renew_s=RENEW_S
    ) as nodes:
        yield nodes


@pytest.fixture
async def others(database: OnPostgres) -> AsyncIterator[Nodes]:
    """The same table on another connection: another process."""
    async with open_nodes(
        DatabaseSettings(url=url_of(database)), SystemClock(), renew_s=RENEW_S
    ) as nodes:
        yield nodes


@pytest.fixture
async def store(database: OnPostgres) -> AsyncIterator[Store]:
    async with open_store(
        DatabaseSettings(url=url_of(database)),
        render=render,
        publisher=_Nobody(),
        new_id=new_id,
        clock=SystemClock(),
    ) as store:
        yield store


class _Nobody:
    def publish(self, records: object) -> None: ...


@pytest.fixture
def dentist(template: Template) -> DentistId:
    return DentistId(ProfileId(template.people.dentists[0].id))


def node(name: str) -> Node:
    return Node(id=name, name=name, address=f"http://{name}", version="1")


async def join(nodes: Nodes, name: str, lease_s: float = LONG_S, key: str = "k") -> str:
    _, common = await nodes.join(node(name), lease_s=lease_s, fresh_key=key)
    return common


async def claim(store: Store, dentist: DentistId, owner: str) -> LoadedCalendar:
    loaded = await store.calendars.open(dentist, live_after=datetime.now(UTC), owner=owner)
    assert loaded is not None
    return loaded


async def test_all_nodes_know_each_other_and_sign_with_one_key(nodes: Nodes) -> None:
    assert await join(nodes, "a", key="first") == "first"
    assert await join(nodes, "b", key="second") == "first"
    roster = await nodes.renew("a", lease_s=LONG_S, evict=False)
    assert roster is not None
    assert [each.id for each in roster.nodes] == ["a", "b"]
    assert all(LONG_S - 5 < each.lease_left_s <= LONG_S for each in roster.nodes)
    await nodes.begin_to_leave("b")
    later = await nodes.renew("a", lease_s=LONG_S, evict=False)
    assert later is not None
    assert [each.leaving for each in later.nodes] == [False, True]
    assert later.epoch > roster.epoch


async def test_an_expired_lease_counts_only_after_an_eviction(nodes: Nodes) -> None:
    await join(nodes, "a")
    await join(nodes, "b", SHORT_S)
    await asyncio.sleep(2 * SHORT_S)
    assert await nodes.renew("b", lease_s=SHORT_S, evict=False) is not None, "late, and in time"
    await asyncio.sleep(2 * SHORT_S)
    roster = await nodes.renew("a", lease_s=LONG_S, evict=True)
    assert roster is not None
    assert roster.evicted == ("b",)
    assert await nodes.renew("b", lease_s=LONG_S, evict=False) is None, "it must join again"


async def test_a_node_that_is_renewing_is_not_evicted(
    database: OnPostgres, nodes: Nodes, others: Nodes
) -> None:
    """The renewal holds the row: who would evict passes over it and does not wait."""
    await join(nodes, "a")
    await join(nodes, "b", SHORT_S)
    await asyncio.sleep(2 * SHORT_S)
    with database.server.transaction(database.name) as execute:
        execute(
            "UPDATE nodes SET lease_until = clock_timestamp() + interval '1 minute' WHERE id = 'b'"
        )
        roster = await others.renew("a", lease_s=LONG_S, evict=True)
        assert roster is not None
        assert roster.evicted == ()


async def test_a_calendar_keeps_its_owner_until_handover_or_eviction(
    nodes: Nodes, store: Store, dentist: DentistId
) -> None:
    await join(nodes, "a")
    await join(nodes, "b", SHORT_S)
    first = await claim(store, dentist, "b")
    await asyncio.sleep(2 * SHORT_S)
    with pytest.raises(OwnedElsewhere) as elsewhere:
        await claim(store, dentist, "a")
    assert elsewhere.value.owner == "b", "its lease has expired, but it was not evicted"
    await nodes.renew("a", lease_s=LONG_S, evict=True)
    taken = await claim(store, dentist, "a")
    assert taken.fence > first.fence
    with pytest.raises(OwnedElsewhere):
        await claim(store, dentist, "b")  # a ghost takes nothing


async def test_a_release_raises_the_fence_of_owned_calendars_only(
    database: OnPostgres, nodes: Nodes, store: Store, dentist: DentistId
) -> None:
    await join(nodes, "a")
    await join(nodes, "b")
    mine = await claim(store, dentist, "a")
    assert await nodes.owned_by("a") == (dentist,)
    assert await nodes.release("b", [dentist]) == ()
    assert await nodes.release("a", [dentist]) == (dentist,)
    (row,) = rows(database, "SELECT owner, fence FROM calendars WHERE dentist_id = ?", dentist)
    assert row["owner"] is None
    assert row["fence"] > mine.fence
    await claim(store, dentist, "b")


async def test_a_single_process_raises_fences_without_owning(
    database: OnPostgres, nodes: Nodes, store: Store, dentist: DentistId
) -> None:
    await join(nodes, "a")
    mine = await claim(store, dentist, "a")
    alone = await store.calendars.open(dentist, live_after=datetime.now(UTC))
    assert alone is not None
    assert alone.fence > mine.fence


async def test_only_one_of_two_concurrent_claims_succeeds(
    nodes: Nodes, store: Store, dentist: DentistId
) -> None:
    names = [f"n{number}" for number in range(6)]
    for name in names:
        await join(nodes, name)
    got = await asyncio.gather(
        *(claim(store, dentist, name) for name in names), return_exceptions=True
    )
    assert sum(isinstance(each, LoadedCalendar) for each in got) == 1
    assert sum(isinstance(each, OwnedElsewhere) for each in got) == len(names) - 1


async def test_a_node_that_left_owns_nothing(
    nodes: Nodes, store: Store, dentist: DentistId
) -> None:
    await join(nodes, "a")
    await join(nodes, "b")
    await claim(store, dentist, "a")
    await nodes.leave("a")
    assert await eventually(lambda: claim(store, dentist, "b"), 1.0)
