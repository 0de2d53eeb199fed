"""A node that crashed is evicted long before its lease ends, and no node that lives is."""

import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from actors.tasks import Tasks
from hub.clock import SystemClock, new_id
from hub.cluster.members.crash_watch import CrashWatch, Locks
from hub.cluster.members.lease_keeper import LeaseKeeper
from hub.cluster.members.membership import Membership
from store.postgres.liveness import LivenessLocks, open_liveness
from store.postgres.nodes import Node, open_nodes
from store.settings import DatabaseSettings
from tests.support.database import OnPostgres, url_of
from tests.support.eventually import eventually
from tests.support.logs import captured_logs
from tests.support.running import Template, make_template

LEASE_S, RENEW_S = 60.0, 20.0
"""So long that no lease decides anything here."""
LOOKS = 5
WITHIN_S = 10.0


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
def settings(database: OnPostgres) -> DatabaseSettings:
    return DatabaseSettings(url=url_of(database))


class Watched:
    """The watch of node ``me``, and how often it looked."""

    def __init__(self, members: Membership, keeper: LeaseKeeper) -> None:
        self.members, self.keeper, self.looks = members, keeper, 0

    @property
    def nodes(self) -> list[str]:
        return sorted(node.name for node in self.members.roster.nodes)

    async def knows(self, *names: str) -> None:
        await self.keeper.renew()
        assert self.nodes == sorted(names)

    async def looked(self) -> None:
        """After some more looks."""
        until = self.looks + LOOKS
        assert await eventually(lambda: self.looks >= until, WITHIN_S)


@pytest.fixture
async def watched(settings: DatabaseSettings) -> AsyncIterator[Watched]:
    clock, members, tasks = SystemClock(), Membership(SystemClock(), lease_s=LEASE_S), Tasks()
    async with open_nodes(settings, clock, renew_s=RENEW_S) as nodes:
        keeper = LeaseKeeper(
            nodes,
            members,
            clock,
            new_id,
            name="me",
            address="http://127.0.0.1:1",
            key="",
            renew_s=RENEW_S,
            on_lost=lambda: None,
        )
        watched = Watched(members, keeper)

        @asynccontextmanager
        async def counted() -> AsyncIterator[Locks]:
            async with open_liveness(settings) as locks:
                yield Counted(locks, watched)

        await keeper.join()
        tasks.start(CrashWatch(counted, members, keeper).run())
        yield watched
        await tasks.finish()


class Counted:
    """The locks, counting the looks at them."""

    def __init__(self, locks: LivenessLocks, watched: Watched) -> None:
        self._locks, self._watched = locks, watched

    async def hold(self, node_id: str) -> None:
        await self._locks.hold(node_id)

    async def free(self, node_ids: Sequence[str]) -> Sequence[str]:
        found = await self._locks.free(node_ids)
        self._watched.looks += 1
        return found


class Other:
    """Another node: its row, its lock and its port, each of which may end alone."""

    def __init__(self, stack: AsyncExitStack, node: Node, listener: socket.socket) -> None:
        self._stack, self.node, self.listener = stack, node, listener

    async def loses_its_session(self) -> None:
        await self._stack.aclose()

    def closes_its_port(self) -> None:
        self.listener.close()


@asynccontextmanager
async def other_node(
    settings: DatabaseSettings, name: str = "other", address: str = ""
) -> AsyncIterator[Other]:
    async with (
        AsyncExitStack() as session,
        open_nodes(settings, SystemClock(), renew_s=RENEW_S) as nodes,
    ):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        node = Node(
            id=new_id(), name=name, address=address or f"http://127.0.0.1:{port}", version="1"
        )
        locks = await session.enter_async_context(open_liveness(settings))
        await nodes.join(node, lease_s=LEASE_S, fresh_key="k")
        await locks.hold(node.id)
        with listener:
            yield Other(session, node, listener)


async def test_a_crashed_node_is_evicted_although_its_lease_lasts(
    settings: DatabaseSettings, watched: Watched
) -> None:
    async with other_node(settings) as other:
        await watched.knows("me", "other")
        await other.loses_its_session()
        other.closes_its_port()
        assert await eventually(lambda: watched.nodes == ["me"], WITHIN_S)
        assert watched.members.evictions == 1


@pytest.mark.parametrize("what", ["its session", "its port"])
async def test_a_node_that_lost_one_of_both_is_a_member(
    what: str, settings: DatabaseSettings, watched: Watched
) -> None:
    """A connection that was cut, or an address that cannot be reached from here."""
    async with other_node(settings) as other:
        await watched.knows("me", "other")
        if what == "its session":
            await other.loses_its_session()
        else:
            other.closes_its_port()
        await watched.looked()
        assert watched.nodes == ["me", "other"]


async def test_a_node_whose_successor_has_its_address_is_evicted(
    settings: DatabaseSettings, watched: Watched
) -> None:
    """A supervisor has started the process again before anybody looked."""
    async with other_node(settings, "first") as first:
        address = first.node.address
        async with other_node(settings, "second", address):
            await watched.knows("first", "me", "second")
            await first.loses_its_session()
            assert await eventually(lambda: watched.nodes == ["me", "second"], WITHIN_S)


async def test_the_watch_goes_on_with_a_new_session(
    settings: DatabaseSettings, watched: Watched, database: OnPostgres
) -> None:
    """Whoever ends all sessions of the database ends no node, only their locks."""
    async with other_node(settings) as other:
        await watched.knows("me", "other")
        database.server.disconnect(database.name)
        await watched.looked()
        assert watched.nodes == ["me", "other"]
        other.closes_its_port()
        assert await eventually(lambda: watched.nodes == ["me"], WITHIN_S)
