"""One life of one hub process: the real parts of the hub, on a simulated world."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from actors.calendar.alarms import Alarms
from actors.calendar.settings import ReservationSettings
from actors.domain.channels import HUB_STATUS
from actors.domain.refusals import CalendarBusy, Unavailable
from actors.ports.commits import CommitFailure, OutcomeUnknown, StoreUnavailable
from actors.ports.events import Delivery, EventRecord
from actors.relay.committed_events import CommittedEvents
from actors.services.services import Services
from api.auth import AuthSettings
from api.schemas import render
from hub.background import every, running
from hub.bootstrap_cluster import build_cluster, handlers_of, taking_part
from hub.bootstrap_core import Base, Core, open_core
from hub.bootstrap_services import build_services
from hub.cluster.cluster import Cluster
from hub.cluster.internal.codec import JsonObject, dumps, loads
from hub.cluster.internal.node_client import NoAnswer, NotSent, _result
from hub.cluster.internal.node_server import _answer
from hub.cluster.local_node import LocalNode, local_node
from hub.cluster.members.crash_watch import CrashWatch
from hub.cluster.members.membership import Membership
from hub.cluster.settings import ClusterSettings, RedisSettings
from hub.config import Config
from hub.telemetry.metrics import Metrics
from store.commit.event_rows import CommitContext
from store.engine import _statements, store_over
from store.postgres.nodes import Node
from store.settings import DatabaseSettings
from store.sql.writer import WriterContext
from tests.simulation.database import (
    MemoryDatabase,
    SimulatedReaders,
    SimulatedWriter,
    Watcher,
    simulated_nodes,
)
from tests.simulation.loop import OWNER, SimulatedLoop
from tests.simulation.network import DATABASE, Network
from tests.simulation.redis import RedisConnection, SimulatedRedis

if TYPE_CHECKING:
    from tests.simulation.auditor import Auditor

T = TypeVar("T")

BEGAN: Final = datetime(2027, 3, 1, 8, tzinfo=UTC)
HOLD_S: Final = 4.0
LEASE_S: Final = 3.0

_SWEEP_EVERY_S: Final = 0.5
_POSITIONS_EVERY_S: Final = 1.0
_BEAT_EVERY_S: Final = 1.0
_GIVEN_UP_S: Final = 0.4
"""How long a process waits for the database before it takes the connection for lost."""
_LATE_S: Final = (0.5, 1.5)

CONFIG: Final = Config(
    auth=AuthSettings(secret="simulated" * 4),
    database=DatabaseSettings(url="postgresql://simulated/clinic"),
    redis=RedisSettings(url="redis://simulated"),
    cluster=ClusterSettings(lease_s=LEASE_S, renew_s=1.0, repair_s=1.0),
    reservations=ReservationSettings(hold_seconds=HOLD_S),
)


class Surroundings(Watcher, Protocol):
    """What a process finds around it."""

    loop: SimulatedLoop
    network: Network
    database: MemoryDatabase
    redis: SimulatedRedis
    clustered: bool
    disk_is_full: bool
    auditor: "Auditor"

    def next_number(self) -> int: ...

    def ended(self, process: "Process", why: str) -> None:
        """The process has ended by itself."""
        ...

    def new_id(self) -> str: ...

    def listener_at(self, address: str) -> "Process | None":
        """The process that listens there."""
        ...

    def lock_is_free(self, node_id: str) -> bool:
        """What the database says of the lock of that node's process; it may lie."""
        ...


class ProcessClock:
    """The clock of one machine: it may be wrong, run at another speed, and be set."""

    def __init__(self, loop: SimulatedLoop, rate: float) -> None:
        self._loop, self._rate = loop, rate
        self.wrong_by_s = 0.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self._loop.time() + self.wrong_by_s)

    def monotonic(self) -> float:
        return 1_000.0 + self._loop.time() * self._rate


class Process:
    """Implements the owner of callbacks, and the link to the database."""

    def __init__(self, around: Surroundings, place: str, life: int, clock: ProcessClock) -> None:
        self.around, self.place, self.clock = around, place, clock
        self.name = f"{place}.{life}"
        self.address = f"http://{place}:80"
        self.alive, self.paused, self.ready = True, False, False
        self.deferred: list[asyncio.Handle] = []
        self.unwritable = False
        """Whether connections of clients take nothing now."""
        self.failed: set[tuple[str, int]] = set()
        """Channels and offsets of the events whose broadcast has failed for good."""
        self.skips = False
        """Whether the relay has gone on without events that it could not read."""
        self.late_answers = 0.0
        """The share of transactions that arrive after this process has given them up."""
        self.dies_at_commit: str | None = None
        """``before``, ``during`` or ``after``: at its next commit."""
        self.on_death: list[Callable[[], None]] = []
        self.context = copy_context()
        self.context.run(OWNER.set, self)
        self._stopping = asyncio.Event()
        self.core: Core
        self.services: Services
        self.cluster: Cluster | None = None

    # --- life -----------------------------------------------------------------------------

    def start(self) -> None:
        self.spawn(self._run())

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        return self.around.loop.create_task(work, context=self.context)

    def kill(self) -> None:
        self.alive = self.ready = False
        for notify in self.on_death:
            notify()

    def stop(self) -> None:
        """As SIGTERM does."""
        self.context.run(self._stopping.set)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self.around.loop.continue_process(self)

    async def _run(self) -> None:
        try:
            await self._live()
        except CommitFailure as error:  # a hub that cannot start ends, and is started again
            self.kill()
            self.around.ended(self, str(error))

    async def _live(self) -> None:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self.ready = True
            await self._stopping.wait()
            if self.cluster is not None:
                await self.cluster.drain()
            self.ready = False
            for notify in self.on_death:
                notify()
        self.alive = False

    async def _open(self, stack: AsyncExitStack) -> None:
        around, clock, alarms = self.around, self.clock, Alarms(self.clock)
        committed = CommittedEvents()
        writer = self._writer(committed)
        stack.push_async_callback(writer.close)
        commits = CommitContext(sql=_statements("sqlite"), render=render, new_id=around.new_id)
        readers = SimulatedReaders(around.database, self)
        stats = WriterContext(publisher=committed, clock=clock).stats
        store = store_over(writer, readers, commits, clock=clock, stats=stats)
        metrics = Metrics()
        metrics.delivered = self._delivered  # type: ignore[method-assign]  # of this process
        base = Base(config=CONFIG, clock=clock, new_id=around.new_id, metrics=metrics, store=store)
        node: LocalNode | None = None
        if around.clustered:
            node = local_node(CONFIG.cluster, CONFIG.redis, store.calendars, clock)
        core = await stack.enter_async_context(open_core(base, committed, alarms, node, None))
        self.core = core
        if node is None:
            self.services = build_services(core, core.registry, core.context.revocations)
            for due in await store.calendars.live_holds():
                alarms.add(due)
        else:
            cluster = await stack.enter_async_context(self._cluster(core, node))
            self.services = build_services(core, cluster.router, cluster.connections)
        await core.relay.start(recovers=node is None)
        await stack.enter_async_context(running(*self._background(alarms)))

    def _delivered(self, deliveries: Sequence[Delivery]) -> None:
        self.failed |= {
            (each.channel, each.position.offset) for each in deliveries if not each.sent
        }

    def _writer(self, publisher: Any) -> SimulatedWriter:
        context = WriterContext(publisher=publisher, clock=self.clock)
        return SimulatedWriter(self.around.database, self, context, self.around)

    @asynccontextmanager
    async def _cluster(self, core: Core, node: LocalNode) -> AsyncIterator[Cluster]:
        nodes_writer = self._writer(_NoEvents())
        client: Any = SimulatedNodeClient(self, node.membership)
        built = build_cluster(core, node, simulated_nodes(nodes_writer), client, self.address)
        watch = CrashWatch(self._locks, built.membership, built.keeper)
        cluster = self.cluster = replace(built, crash_watch=watch)
        try:
            async with taking_part(core, node, cluster):
                yield cluster
        finally:
            await nodes_writer.close()

    def _background(self, alarms: Alarms) -> Sequence[Coroutine[Any, Any, None]]:
        core, cluster = self.core, self.cluster
        work: list[Coroutine[Any, Any, None]] = [
            alarms.run(self.services.bookings.expire),
            every(_SWEEP_EVERY_S, core.registry.sweep),
            every(_POSITIONS_EVERY_S, self._send_positions),
        ]
        if cluster is None:
            work.append(core.repair().run())
        else:
            publisher = cluster.node.publisher
            work += cluster.background()
            work.append(every(_BEAT_EVERY_S, lambda: publisher.publish_beat({})))
        return work

    async def _send_positions(self) -> None:
        """As the service of Socket.IO does."""
        context = self.core.context
        channels = [name for name in context.rooms.channels if name != HUB_STATUS]
        positions = await self.core.relay.positions(channels) if channels else {}
        for channel, position in positions.items():
            await context.broadcaster.notify_position(channel, position)

    @asynccontextmanager
    async def _locks(self) -> AsyncIterator["_Locks"]:
        yield _Locks(self)

    # --- the link to the database ---------------------------------------------------------

    async def request(self) -> None:
        await self._travel(self.place, DATABASE)

    async def answered(self) -> None:
        await self._travel(DATABASE, self.place)

    async def _travel(self, sender: str, receiver: str) -> None:
        network = self.around.network
        if not network.passes(sender, receiver):
            await asyncio.sleep(_GIVEN_UP_S)
            raise StoreUnavailable("cut off")
        await asyncio.sleep(network.delay_s(sender, receiver))

    def disk_is_full(self) -> bool:
        return self.around.disk_is_full

    def transact(self, run: Callable[[], T], answer: Callable[[T | CommitFailure], None]) -> None:
        network, loop = self.around.network, self.around.loop
        answers: list[None] = []

        def once(result: T | CommitFailure) -> None:
            if not answers:
                answers.append(None)
                answer(result)

        def give_up(error: CommitFailure) -> None:
            loop.call_later(_GIVEN_UP_S, once, error, context=self.context)

        def arrive() -> None:
            if self.dies_at_commit == "before":
                self.kill()
                return
            if self.dies_at_commit == "during" and not self.alive:
                return
            result = run()
            if self.dies_at_commit in ("during", "after") and self.alive:
                self.kill()
            if not network.send(DATABASE, self.place, once, result, context=self.context):
                give_up(OutcomeUnknown("no answer"))

        is_late = network.chance(self.late_answers)
        delay_s = network.delay_s(self.place, DATABASE) + (is_late * sum(_LATE_S) / 2)
        if not network.send(self.place, DATABASE, arrive, delay_s=delay_s):
            give_up(StoreUnavailable("cut off"))
        elif is_late:
            give_up(OutcomeUnknown("no answer in time"))

    # --- requests of other nodes ----------------------------------------------------------

    def receive(
        self, receiver: str, path: str, raw: bytes, answer: Callable[[int, bytes], None]
    ) -> None:
        self.spawn(self._serve(receiver, path, raw, answer))

    async def _serve(
        self, receiver: str, path: str, raw: bytes, answer: Callable[[int, bytes], None]
    ) -> None:
        cluster = self.cluster
        if cluster is None or receiver != cluster.membership.me:
            answer(404, b"{}")
            return
        status, body = await _answer(handlers_of(cluster)[path], raw)
        answer(status, dumps(body))

    @property
    def node_id(self) -> str:
        return self.cluster.membership.me if self.cluster else ""

    # --- what the invariants ask ------------------------------------------------------------

    def is_sure_of(self, dentist_id: str) -> bool:
        """Whether it would answer from memory that it owns the calendar."""
        cluster = self.cluster
        if not self.alive or cluster is None:
            return False
        has = self.core.registry.has(dentist_id)  # type: ignore[arg-type]
        return has and cluster.membership.lease_is_held


class SimulatedNodeClient:
    """:class:`hub.cluster.internal.node_client.NodeClient` without a wire."""

    def __init__(self, process: Process, membership: Membership) -> None:
        self._process, self._members = process, membership
        self._network = process.around.network

    async def close(self) -> None: ...

    async def post(self, node: Node, path: str, body: JsonObject, *, within_s: float) -> JsonObject:
        around, here = self._process.around, self._process.place
        there = node.address.removeprefix("http://").partition(":")[0]
        await asyncio.sleep(self._network.delay_s(here, there))
        other = around.listener_at(node.address)
        if other is None:
            raise NotSent("nothing listens there")
        future: asyncio.Future[tuple[int, bytes]] = around.loop.create_future()

        def answer(status: int, raw: bytes) -> None:
            self._network.send(
                there, here, _resolve, future, (status, raw), context=self._process.context
            )

        if not self._network.send(
            here, there, other.receive, node.id, path, dumps(body), answer, context=other.context
        ):
            await asyncio.sleep(min(1.0, within_s))
            raise NotSent("no connection in time")
        try:
            async with asyncio.timeout(within_s + 0.5):
                status, raw = await future
        except TimeoutError:
            raise NoAnswer("no answer in time") from None
        if status == 404:
            raise NoAnswer("not for that node")
        return _result(status, loads(raw))


def _resolve(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)


class _Locks:
    """:class:`store.postgres.liveness.LivenessLocks`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def hold(self, node_id: str) -> None:
        await self._process.request()

    async def free(self, node_ids: Sequence[str]) -> Sequence[str]:
        await self._process.request()
        return [each for each in node_ids if self._process.around.lock_is_free(each)]


class _NoEvents:
    def publish(self, records: Sequence[EventRecord]) -> None:
        assert not records, "membership has no events"


def connection_for(around: Surroundings) -> RedisConnection:
    """The connection of the process that calls."""
    owner = OWNER.get()
    assert isinstance(owner, Process), "only a process connects"
    return RedisConnection(around.redis, owner.place)


RETRIED: Final = (Unavailable, CalendarBusy, CommitFailure)
"""What a client tries again with the same key; a hub answers 503 or 429."""
