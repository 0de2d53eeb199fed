"""One node of three is cut off from Redis, PostgreSQL or the others, in one or both directions.

No slot is booked twice, nothing stale is served as current, and the node recovers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.clinic import Person
from tests.support.cluster import (
    AT_ONCE_S,
    LATE_S,
    ClusterNode,
    all_know,
    book_when_possible,
    database_of,
    make_owner,
    one_node,
    stream_recovers,
)
from tests.support.database import OnPostgres, rows
from tests.support.eventually import eventually
from tests.support.histories import problems_of
from tests.support.ports import free_port
from tests.support.proxy import Network, network_to
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

pytestmark = [pytest.mark.usefixtures("quiet"), pytest.mark.timeout(120)]

HEALED_S = 5.0
"""Everything has recovered so soon after the network."""
WAYS = {
    "both ways": {"up": True, "back": True},
    "outgoing": {"up": True, "back": False},
    "incoming": {"up": False, "back": True},
}
"""The traffic that is lost, as seen from the node that is cut off."""


def _ways(*, long: str) -> pytest.MarkDecorator:
    """All ways; one of them belongs to the long tests."""
    marked = [pytest.param(way, marks=pytest.mark.long) if way == long else way for way in WAYS]
    return pytest.mark.parametrize("way", marked)


@dataclass(frozen=True, kw_only=True)
class Partition:
    cut: ClusterNode
    others: Sequence[ClusterNode]
    wire: Network
    """Between the node and what it is cut off from."""
    wires_of_others: Sequence[Network] = ()
    """In front of the other nodes."""

    @property
    def nodes(self) -> Sequence[ClusterNode]:
        return [self.cut, *self.others]


@asynccontextmanager
async def three(
    template: Template, folder: Path, valkey: ValkeyServer, cut_off_from: str
) -> AsyncIterator[Partition]:
    """Nodes on a copy of the clinic; the first is behind a network that can fail."""
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        async with AsyncExitStack() as stack:

            async def wire_to(port: int) -> Network:
                wire = await stack.enter_async_context(network_to(f"http://127.0.0.1:{port}"))
                stack.callback(wire.flow)
                return wire

            async def node(redis_url: str = valkey.url, **settings: object) -> ClusterNode:
                one = one_node(template, database, redis_url, deadline_ms=1_500, **settings)  # type: ignore[arg-type]  # by name
                return await stack.enter_async_context(one)

            async def reached() -> tuple[ClusterNode, Network]:
                wire = await wire_to(port := free_port())
                return await node(port=port, advertise=wire.url), wire

            further: list[Network] = []
            match cut_off_from:
                case "postgres":
                    wire = await wire_to(database.server.port)
                    url = f"postgresql://chairside@127.0.0.1:{wire.port}/{database.name}"
                    limits = {"statement_timeout_ms": 1_000, "lock_timeout_ms": 1_000}
                    cut = await node(url=url, limits=limits)
                    others = [await node(), await node()]
                case "redis":
                    wire = await wire_to(valkey.port)
                    cut = await node(f"redis://127.0.0.1:{wire.port}/0")
                    others = [await node(), await node()]
                case _:
                    cut, wire = await reached()
                    pairs = [await reached(), await reached()]
                    others, further = [each for each, _ in pairs], [each for _, each in pairs]
            await all_know([cut, *others], 3)
            yield Partition(cut=cut, others=others, wire=wire, wires_of_others=further)


# --- from Redis --------------------------------------------------------------------------


@_ways(long="outgoing")
async def test_a_node_cut_off_from_redis_books_and_its_events_are_late(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path, way: str
) -> None:
    """The other nodes reach it, so no event may be missing on either side."""
    async with three(postgres_template, tmp_path, valkey, "redis") as partition:
        clinic = partition.cut.clinic
        dentist = clinic.dentists[0]
        screens = [await each.clinic.screen(dentist) for each in partition.nodes]
        partition.wire.stall(**WAYS[way])
        booked_ids = []
        for turn, node in enumerate((*partition.nodes, partition.cut)):
            began_s = time.monotonic()
            row = await node.clinic.book(clinic.patients[turn], f"{8 + turn:02}:00")
            assert time.monotonic() - began_s < AT_ONCE_S, "Redis is not on the commit's path"
            booked_ids.append(row["id"])
            for screen in screens:
                await screen.event("appointment.created", LATE_S, id=row["id"])
        partition.wire.flow()
        await stream_recovers(partition.nodes, screens[0], partition.others[0])
        for screen in screens:
            events = screen.events(f"appointments:dentist:{dentist.id}")
            shown = [each.resource["id"] for each in events]
            assert [each for each in shown if each in booked_ids] == booked_ids, (
                "in order, and none twice"
            )
        assert problems_of(database_of(partition.cut)) == []


# --- from PostgreSQL ---------------------------------------------------------------------


@_ways(long="outgoing")
async def test_a_node_cut_off_from_postgresql_serves_nothing_stale(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path, way: str
) -> None:
    async with three(postgres_template, tmp_path, valkey, "postgres") as partition:
        cut, others = partition.cut, partition.others
        clinic = others[0].clinic
        dentist = await make_owner(partition.nodes, cut)
        screen = await cut.clinic.screen(dentist)
        slot = clinic.slot("09:00", dentist=dentist)
        watch = _Watch(cut, clinic.patients[9], dentist)
        assert slot["start"] in await cut.clinic.free(watch.viewer, dentist=dentist)
        first_id = cut.id
        partition.wire.stall(**WAYS[way])
        async with watch.watching():
            booked = await book_when_possible(others[0], clinic.patients[0], slot, key="meanwhile")
            acknowledged_s = time.monotonic()
            assert await eventually(lambda: watch.seen[-1][0] > acknowledged_s, 15.0)
            partition.wire.cut()  # what waits is lost, as after a long partition
            partition.wire.flow()
            healed_s = time.monotonic()
            await screen.event("appointment.created", HEALED_S, id=booked["id"])
            later = clinic.slot("10:00", dentist=dentist)
            await book_when_possible(cut, clinic.patients[1], later, key="after", within_s=HEALED_S)
            assert time.monotonic() - healed_s < HEALED_S
        assert cut.id != first_id, "it was evicted, and has joined again"
        await all_know(partition.nodes, 3)
        stale = [at for at, starts in watch.seen if at > acknowledged_s and slot["start"] in starts]
        assert not stale, "no free slot after the acknowledgement of its booking"
        assert problems_of(database_of(cut)) == []


@dataclass
class _Watch:
    """Requests the free slots of a node again and again; 503 is allowed."""

    node: ClusterNode
    viewer: Person
    dentist: Person
    seen: list[tuple[float, set[str]]] = field(default_factory=list)
    """The times of the requests, and the slots of the answers."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._watch())
            yield
            task.cancel()

    async def _watch(self) -> None:
        api, day = self.node.clinic.api(self.viewer), self.node.clinic.day_of(self.dentist)
        while True:
            requested_s = time.monotonic()
            answer = await api.get("/api/slots", **day)
            assert answer.status in (200, 503), answer.body
            free = answer.body["data"] if answer.status == 200 else ()
            self.seen.append((requested_s, {slot["start"] for slot in free}))
            await asyncio.sleep(0.02)


# --- from the other nodes ----------------------------------------------------------------


@_ways(long="both ways")
async def test_an_unreachable_node_keeps_its_calendars(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path, way: str
) -> None:
    """Its lease continues, so no node takes them. Where only its answers are lost, a command may
    have been committed; the idempotency key settles it."""
    async with three(postgres_template, tmp_path, valkey, "nodes") as partition:
        dentist = await make_owner(partition.nodes, partition.cut)
        partition.wire.stall(up=WAYS[way]["back"], back=WAYS[way]["up"])
        await _refused_until_healed(partition, partition.others[0], partition.cut, dentist)


async def test_a_node_that_reaches_no_other_answers_503_for_theirs(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with three(postgres_template, tmp_path, valkey, "nodes") as partition:
        dentist = await make_owner(partition.nodes, partition.others[0])
        for wire in partition.wires_of_others:
            wire.stall()
        await _refused_until_healed(partition, partition.cut, partition.others[0], dentist)


async def _refused_until_healed(
    partition: Partition, receiver: ClusterNode, owner: ClusterNode, dentist: Person
) -> None:
    """``receiver`` gets no answers of the owner until the networks have recovered."""
    clinic = receiver.clinic
    slot = clinic.slot("09:00", dentist=dentist)
    refused = await clinic.api(clinic.patients[0]).post(
        "/api/appointments", slot, idempotency_key="one"
    )
    assert (refused.status, refused.code) == (503, "UNAVAILABLE"), refused.body
    assert int(refused.headers["Retry-After"]) >= 1
    there = await owner.clinic.book(owner.clinic.patients[1], "11:00", dentist=dentist)
    shown = await clinic.free(clinic.patients[2], dentist=dentist)
    assert there["start"] not in shown, "read from the database meanwhile, and not from memory"
    for wire in (partition.wire, *partition.wires_of_others):
        wire.flow()
    await book_when_possible(receiver, clinic.patients[0], slot, key="one", within_s=HEALED_S)
    made = rows(database_of(receiver), "SELECT id FROM appointments WHERE status = 'confirmed'")
    assert len(made) == 2, "one in spite of the repetitions, and the one of the owner"
    assert problems_of(database_of(receiver)) == []
