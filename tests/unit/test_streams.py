"""Event streams: no gap, no repetition, bounded memory, and how they end."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from actors.domain.channels import AVAILABILITY_ALL, Channel, user_profile_channel
from actors.domain.ids import ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, RateLimited, Unavailable
from actors.ports.events import Delivery, EventRecord
from actors.relay.relay import Relay
from actors.relay.settings import RelayLimits, RelaySettings
from actors.services.changes import EVENTS_MAX, Changes
from actors.services.identity import Claims
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.deps import RealtimeDeps, RoomsContext
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.rooms.settings import RealtimeSettings
from api.realtime.sse.cursor import read_cursor
from api.realtime.sse.stream import Bearer
from api.realtime.sse.streams import EventStreams
from tests.unit.relay_world import NOW, A, B, FixedClock, MemoryLog, record, records, until

WHO = Principal(role=Role.CHATBOT, subject="bot")
PATIENT = Principal(role=Role.PATIENT, subject="bot", person=ProfileId("p"), acting="bot")


def sent_log(*rows: EventRecord) -> MemoryLog:
    """A log whose events are marked as broadcast."""
    log = MemoryLog(rows)
    log.marks = [
        Delivery(
            channel=row.channel,
            position=row.position,
            sent=True,
            at=NOW,
            latency_ms=1.0,
            attempts=1,
            recipients=0,
        )
        for row in rows
    ]
    return log


class RunningClock(FixedClock):
    """Runs from ``NOW`` on."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=time.monotonic() - self._started_s)


class StubIdentity:
    """Verifier and identity: every principal stays the same until the test changes it."""

    leeway_s = 0.0

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.principal_now = WHO
        self.is_trusted = True
        self.rotated: Callable[[], None] = lambda: None

    def on_rotation(self, act: Callable[[], None]) -> None:
        self.rotated = act

    def trusts(self, claims: Claims) -> bool:
        return self.is_trusted

    async def principal(
        self, claims: Claims, on_behalf_of: str | None, *, create: bool
    ) -> Principal:
        assert not create, "a check creates no profile"
        if self.refusal is not None:
            raise self.refusal
        return self.principal_now


def _claims(ttl_s: float = 3_600) -> Claims:
    return Claims(subject="bot", role=Role.CHATBOT, expires_at=NOW + timedelta(seconds=ttl_s))


class Client:
    """Reads while ``reads`` is set; parses frames like a browser."""

    def __init__(self) -> None:
        self.text = b""
        self.reads = asyncio.Event()
        self.reads.set()
        self.aborted = False

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        if self.aborted:
            raise ConnectionResetError
        self.text += data

    def abort(self) -> None:
        self.aborted = True
        self.reads.set()

    @property
    def frames(self) -> list[dict[str, str]]:
        return [
            dict(line.partition(": ")[::2] for line in frame.split("\n"))
            for frame in self.text.decode().split("\n\n")
            if frame and not frame.startswith(":")
        ]

    def offsets(self, channel: Channel = A) -> list[int]:
        events = [json.loads(frame["data"]) for frame in self.frames if ":" not in frame["event"]]
        return [data["offset"] for data in events if data["channel"] == channel]

    @property
    def ids(self) -> list[str]:
        return [frame["id"] for frame in self.frames if "id" in frame]


class World:
    def __init__(self, log: MemoryLog, **settings: Any) -> None:
        self.log, self.rooms = log, Rooms()
        self.broadcaster = RoomBroadcaster(self.rooms, TimeSlice())
        self.relay = Relay(
            events=log,
            clock=FixedClock(),
            broadcaster=self,
            on_failure=self.broadcaster.notify_position,
            settings=RelaySettings(retries=0),
            limits=RelayLimits(drain_s=0.1),
        )
        self.clock, self.gate = RunningClock(), StubIdentity()
        self.revocations = Revocations(cast("Any", self.gate), cast("Any", self.gate), self._spawn)
        self.ended: list[str] = []
        self.slow = 0
        self.failing: set[int] = set()
        deps = RealtimeDeps(
            services=cast("Any", None),
            context=RoomsContext(
                rooms=self.rooms,
                joins=Joins(self.rooms, Changes(log), self.relay.positions),
                broadcaster=self.broadcaster,
                revocations=self.revocations,
                send_policy=SendPolicy(time_slice=TimeSlice(), max_bytes=1_000),
            ),
            verifier=cast("Any", self.gate),
            clock=self.clock,
            new_id=lambda: "id",
            positions=self.relay.positions,
            limiter=cast("Any", None),
            settings=RealtimeSettings(
                **{
                    "stream_heartbeat_s": 0.02,
                    "stream_write_timeout_s": 5.0,
                    "max_message_bytes": 1_024,
                    **settings,
                }
            ),
            on_slow=self._slow,
        )
        self.streams = EventStreams(deps, on_end=self.ended.append, jitter=lambda low, high: low)
        self.tasks: list[asyncio.Task[None]] = []

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        """Broadcast, unless the test lets these offsets fail."""
        if any(record.position.offset in self.failing for record in records):
            raise ConnectionError("the rooms cannot be reached")
        return await self.broadcaster.broadcast(records)

    def _spawn(self, work: Awaitable[None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def _slow(self) -> None:
        self.slow += 1

    def open(
        self,
        wanted: Mapping[Channel, Position | None] | None = None,
        *,
        ttl_s: float = 3_600,
        who: Principal = WHO,
    ) -> Client:
        client = Client()
        bearer = Bearer(claims=_claims(ttl_s), on_behalf_of=None, principal=who)

        async def run() -> None:
            with self.streams.admit(who):
                await self.streams.run(
                    bearer, wanted or {A: None}, write=client.write, abort=client.abort
                )

        self.tasks.append(asyncio.create_task(run()))
        return client

    def commit(self, *rows: Any) -> None:
        self.log.append(*rows)
        self.relay.publish(rows)


@asynccontextmanager
async def world(log: MemoryLog | None = None, **settings: Any) -> AsyncIterator[World]:
    made = World(log or MemoryLog(), **settings)
    await made.relay.start()
    try:
        yield made
    finally:
        await made.streams.close()
        await asyncio.gather(*made.tasks)
        await made.relay.stop()


async def test_the_first_frame_has_the_positions_and_the_retry_time() -> None:
    async with world(sent_log(*records(1, 3))) as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        (first,) = client.frames
        assert (first["event"], first["retry"]) == ("hub:ready", "500")
        assert json.loads(first["data"]) == {
            "channels": {
                A: {"recovered": False, "events": [], "more": False, "epoch": 1, "offset": 3}
            }
        }
        assert read_cursor(first["id"], [A]) == {A: Position(1, 3)}


async def test_missed_events_follow_page_by_page_then_live_events() -> None:
    missed = EVENTS_MAX * 2 + 20
    log = sent_log(*records(1, missed), *records(1, missed, B))
    async with world(log) as w:
        begin = Position(1, 0)
        client = w.open({A: begin, B: begin})
        w.commit(record(missed + 1))
        await until(lambda: missed in client.offsets(B))
        w.commit(record(missed + 1, B))
        await until(lambda: missed + 1 in client.offsets(B))
        assert client.offsets() == list(range(1, missed + 2))
        assert client.offsets(B) == list(range(1, missed + 2))
        assert [frame["event"] for frame in client.frames].count("hub:ready") == 1


async def test_a_client_resumes_from_every_id_without_loss_or_repetition() -> None:
    log = sent_log(*records(1, 4), *records(1, 3, B))
    async with world(log) as w:
        client = w.open({A: Position(1, 1), B: Position(1, 0)})
        await until(lambda: len(client.offsets()) + len(client.offsets(B)) == 6)
        w.commit(record(5), record(4, B))
        await until(lambda: len(client.ids) == 9)
        everything = [(frame["event"], frame["data"]) for frame in client.frames[1:]]
        for n, cursor in enumerate(client.ids):
            again = w.open(read_cursor(cursor, [A, B]))
            await until(lambda n=n, again=again: len(again.frames) == 9 - n)  # type: ignore[misc]  # mypy infers no lambda with a default
            rest = [(frame["event"], frame["data"]) for frame in again.frames[1:]]
            assert sorted(rest) == sorted(everything[n:])


@pytest.mark.parametrize("seed", range(12))
async def test_streams_opened_while_events_are_sent_get_each_event_once(
    seed: int,
) -> None:
    rng = random.Random(seed)
    log = MemoryLog()
    log.delay_s = 0.0005
    async with world(log) as w:
        clients: list[tuple[Client, int]] = []
        for offset in range(1, 61):
            w.commit(record(offset))
            if rng.random() < 0.3:
                since = rng.randint(0, offset - 1)
                clients.append((w.open({A: Position(1, since)}), since))
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
        for client, since in clients:
            await until(lambda c=client: bool(c.offsets()) and c.offsets()[-1] == 60)  # type: ignore[misc]  # mypy infers no lambda with a default
            assert client.offsets() == list(range(since + 1, 61))


async def test_an_event_whose_broadcast_failed_is_read_before_later_ones() -> None:
    async with world(sent_log(*records(1, 2))) as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        w.failing = {3, 5, 6}
        for offset in range(3, 9):
            w.commit(record(offset))
        await until(lambda: 8 in client.offsets())
        assert client.offsets() == [3, 4, 5, 6, 7, 8]
        w.failing = {9}
        w.commit(record(9))  # nothing comes after it
        await until(lambda: 9 in client.offsets())


async def test_a_position_ahead_of_the_stream_makes_it_read_the_log() -> None:
    async with world(sent_log(*records(1, 2))) as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        w.log.append(record(3))
        w.relay._queues._queues.clear()  # as if it had been idle for long
        await w.broadcaster.notify_position(A, (await w.relay.positions([A]))[A])
        await until(lambda: client.offsets() == [3])
        w.commit(record(4))
        await until(lambda: client.offsets() == [3, 4])


async def test_a_lost_history_is_reported_in_the_stream() -> None:
    async with world(sent_log(*records(1, 2))) as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        w.commit(record(1, epoch=2))
        await until(lambda: len(client.frames) == 2)
        again = json.loads(client.frames[1]["data"])["channels"][A]
        assert (again["recovered"], again["epoch"], again["offset"]) == (False, 2, 1)
        w.commit(record(2, epoch=2))
        await until(lambda: client.offsets() == [2])


# --- bounds ------------------------------------------------------------------------------


async def test_a_client_that_does_not_read_is_closed_at_a_memory_bound() -> None:
    async with world(max_buffer_bytes=20_000) as w:
        client, other = w.open(), w.open()
        await until(lambda: bool(client.frames) and bool(other.frames))
        client.reads.clear()
        (stream,) = [
            subscription.subscriber
            for subscription in w.rooms.members(A)
            if cast("Any", subscription.subscriber).abort == client.abort
        ]
        largest = 0
        for offset in range(1, 61):
            w.commit(record(offset, payload=b'"' + b"x" * 1_000 + b'"'))
            await asyncio.sleep(0.001)
            largest = max(largest, cast("Any", stream)._queued_bytes)
        await until(lambda: client.aborted)
        assert 10_000 < largest <= 20_000
        await until(lambda: w.ended == ["too_slow"])
        assert w.slow == 1
        await until(lambda: other.offsets() == list(range(1, 61)))
        assert len(w.streams) == 1


async def test_a_client_that_does_not_take_a_write_in_time_is_closed() -> None:
    async with world(stream_write_timeout_s=0.05) as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        client.reads.clear()
        await until(lambda: w.ended == ["too_slow"])


async def test_a_lost_client_is_noticed_at_the_next_heartbeat() -> None:
    async with world() as w:
        client = w.open()
        await until(lambda: client.text.count(b"\n:\n") > 1)
        client.aborted = True
        await until(lambda: w.ended == ["client_left"])
        assert not w.rooms.channels


async def test_the_streams_of_a_principal_are_limited() -> None:
    other = Principal(role=Role.ADMIN, subject="other")
    async with world(streams_per_user=2) as w:
        clients = [w.open(), w.open()]
        await until(lambda: all(client.frames for client in clients))
        with pytest.raises(RateLimited), w.streams.admit(WHO):
            pass
        with w.streams.admit(other):
            pass
        clients[0].aborted = True
        await until(lambda: len(w.streams) == 1)
        await asyncio.sleep(0)
        with w.streams.admit(WHO):
            pass


async def test_closing_does_not_wait_for_a_client_that_does_not_read() -> None:
    async with world(stream_write_timeout_s=60) as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        client.reads.clear()
        w.commit(record(1))
        await w.streams.close()
        await until(lambda: len(w.ended) == 1)
        assert client.aborted


# --- ends --------------------------------------------------------------------------------


async def test_the_expiry_of_a_token_is_announced_and_ends_the_stream() -> None:
    async with world(expiring_notice_s=0.2) as w:
        client = w.open(ttl_s=0.4)
        await until(lambda: len(client.frames) == 2)
        assert not w.ended
        await until(lambda: w.ended == ["token_expired"])
        events = [frame["event"] for frame in client.frames]
        assert events == ["hub:ready", "auth:expiring", "auth:expired"]
        assert json.loads(client.frames[1]["data"]) == {"expires_at": "2027-03-08T09:00:00.400000Z"}


async def test_a_withdrawn_key_ends_the_stream() -> None:
    async with world() as w:
        client = w.open()
        await until(lambda: bool(client.frames))
        w.gate.rotated()
        assert not w.ended
        w.gate.is_trusted = False
        w.gate.rotated()
        await until(lambda: w.ended == ["rights_lost"])
        assert client.frames[-1]["event"] == "auth:expired"


@pytest.mark.parametrize(
    ("refusal", "now"),
    [
        (Forbidden("no longer"), PATIENT),
        (None, Principal(role=Role.ADMIN, subject="bot")),
    ],
)
async def test_a_stream_ends_when_its_principal_changes(
    refusal: Exception | None, now: Principal
) -> None:
    async with world() as w:
        w.gate.principal_now = PATIENT
        client = w.open(who=PATIENT)
        await until(lambda: bool(client.frames))
        changed = record(1, user_profile_channel(ProfileId("p")))
        w.revocations.events_committed([changed])
        await asyncio.sleep(0.02)
        assert not w.ended
        w.gate.refusal, w.gate.principal_now = refusal, now
        w.revocations.events_committed([changed])
        await until(lambda: w.ended == ["rights_lost"])


async def test_a_stopping_hub_writes_when_to_reconnect() -> None:
    async with world() as w:
        clients = [w.open(), w.open({AVAILABILITY_ALL: None})]
        await until(lambda: all(client.frames for client in clients))
        await w.streams.close()
        for client in clients:
            assert client.frames[-1] == {
                "retry": "1000",
                "event": "hub:closing",
                "data": '{"reason":"hub_stopping"}',
            }
        with pytest.raises(Unavailable), w.streams.admit(WHO):
            pass


async def test_an_unreachable_database_ends_the_stream() -> None:
    log = sent_log(*records(1, 2))
    log.broken = {"heads"}
    async with world(log) as w:
        client = w.open()
        await until(lambda: w.ended == ["failed"])
        assert client.aborted
        assert not w.rooms.channels


async def test_an_event_is_encoded_once_for_all_streams() -> None:
    async with world() as w:
        clients = [w.open() for _ in range(20)]
        await until(lambda: all(client.frames for client in clients))
        bodies: set[int] = set()
        for subscription in w.rooms.members(A):
            stream = cast("Any", subscription.subscriber)
            stream.wakes = (
                asyncio.Event()
            )  # the stream writes nothing, so that its queue can be read
        await w.broadcaster.broadcast([record(1)])
        for subscription in w.rooms.members(A):
            ((_, _, body),) = cast("Any", subscription.subscriber)._queue
            bodies.add(id(body))
            cast("Any", subscription.subscriber)._queue.clear()
        assert len(bodies) == 1
