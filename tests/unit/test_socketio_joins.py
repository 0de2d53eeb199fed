"""Joins while events are sent lose and repeat no event, in any interleaving."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from actors.domain.ids import ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.ports.events import Broadcaster, Delivery, EventRecord
from actors.relay.relay import Relay
from actors.relay.settings import RelayLimits, RelaySettings
from actors.services.changes import Changes, ChannelChanges
from actors.services.identity import Claims
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.frames import Send, Sent
from api.realtime.rooms.joins import Joined, Joins
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.subscribers import HELD_MAX
from api.realtime.socketio.library import Client
from api.realtime.socketio.session import SocketSession
from tests.unit.relay_world import A, B, FixedClock, MemoryLog, record, records, sent, until


class Sockets:
    """The frames sent to each client, in order."""

    def __init__(self) -> None:
        self.frames: dict[str, list[str]] = {}

    def sender(self, sid: str) -> Send:
        def send(frame: Sent, *, more: bool = False) -> None:
            self.frames.setdefault(sid, []).extend(part.text for part in frame.parts)

        return send

    def offsets(self, sid: str, event: str = "slots.changed") -> list[int]:
        events = [json.loads(frame.split(",", 1)[1]) for frame in self.frames.get(sid, [])]
        return [data["offset"] for name, data in events if name == event]


class PausedSlice(TimeSlice):
    """Pauses before every part of a room; the test decides for how long."""

    def __init__(self, rng: random.Random | None = None) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self._rng = rng

    @property
    def is_used_up(self) -> bool:
        return True

    async def wait_for_next(self) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self._rng is not None:
            await asyncio.sleep(self._rng.choice((0, 0, 0.0005)))


class Edge:
    def __init__(
        self,
        log: MemoryLog,
        time_slice: PausedSlice | None = None,
        wrap: Callable[[RoomBroadcaster], Broadcaster] = lambda inner: inner,
    ) -> None:
        self.log, self.sockets, self.rooms = log, Sockets(), Rooms()
        self.broadcaster = RoomBroadcaster(self.rooms, time_slice or PausedSlice())
        self.deliveries: list[Delivery] = []
        self.published = 0
        self.relay = Relay(
            events=log,
            clock=FixedClock(),
            broadcaster=wrap(self.broadcaster),
            on_failure=self.broadcaster.notify_position,
            has_subscribers=self.rooms.has_members,
            settings=RelaySettings(backoff_ms=1, attempt_timeout_ms=30_000),
            limits=RelayLimits(drain_s=5, idle_channels_max=1),
            on_deliveries=self.deliveries.extend,
        )
        self.joins = Joins(self.rooms, Changes(log), self.relay.positions)

    def session(self, sid: str) -> SocketSession:
        return SocketSession(
            client=Client(sid, sid, "/patient", self.sockets.sender(sid), cast("Any", None)),
            principal=Principal(role=Role.PATIENT, subject="s", person=ProfileId("p")),
            claims=Claims(
                subject="s", role=Role.PATIENT, expires_at=datetime(2030, 1, 1, tzinfo=UTC)
            ),
            on_behalf_of=None,
            since={},
        )

    async def join(self, session: SocketSession, since: int | None) -> list[int]:
        """The offsets of the answer, which is written before the held events are released."""
        wanted = {A: None if since is None else Position(1, since)}
        joined = await self.joins.join(session, session.principal, wanted)
        answer = json.loads(joined.answers[A])
        assert answer["recovered"] is (since is not None)
        self.joins.release(joined)
        return [event["offset"] for event in answer["events"]]

    def commit(self, *rows: EventRecord) -> None:
        self.log.append(*rows)
        self.published += len(rows)
        self.relay.publish(rows)


class FlakyRooms:
    """Fails sometimes, before or after it reached the rooms; never four times for one event."""

    def __init__(self, inner: RoomBroadcaster, rng: random.Random) -> None:
        self._inner, self._rng = inner, rng
        self._failures: Counter[str] = Counter()

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        may_fail = all(self._failures[record.event_id] < 3 for record in records)
        fails = may_fail and self._rng.random() < 0.2
        self._failures.update({record.event_id: int(fails) for record in records})
        if fails and self._rng.random() < 0.5:
            raise ConnectionError
        reached = await self._inner.broadcast(records)
        if fails:
            raise ConnectionError
        return reached


@pytest.mark.parametrize("seed", range(25))
async def test_every_join_gets_every_event_once_and_in_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr("api.realtime.rooms.broadcaster._CHECK_EVERY", rng.choice((1, 2, 5)))
    edge = Edge(MemoryLog(records(1, 20)), PausedSlice(rng), lambda inner: FlakyRooms(inner, rng))
    sockets = edge.sockets
    await edge.relay.start()

    other = 0

    async def commits() -> None:
        nonlocal other
        for offset in range(21, 81):
            row = record(offset)
            edge.log.append(row)
            await asyncio.sleep(rng.choice((0, 0, 0.001)))  # committed, not yet published
            edge.relay.publish([row])
            if rng.random() < 0.3:  # another channel, so that this one's queue is dropped
                other += 1
                edge.commit(record(other, B))
                await asyncio.sleep(rng.choice((0, 0.002)))

    had: dict[str, tuple[int, list[int]]] = {}

    async def client(number: int) -> None:
        await asyncio.sleep(rng.random() * 0.06)
        session, since = edge.session(f"s{number}"), rng.randint(0, 20)
        had[session.sid] = since, await edge.join(session, since)
        if rng.random() < 0.5:
            await asyncio.sleep(rng.random() * 0.02)
            again = since + len(had[session.sid][1]) + len(sockets.offsets(session.sid))
            assert await edge.join(session, again) is not None

    await asyncio.gather(commits(), *(client(number) for number in range(12)))
    await until(lambda: sent(edge.deliveries) >= 80 + other)
    await edge.relay.stop()
    for sid, (since, answered) in had.items():
        received = answered + sockets.offsets(sid)
        assert sorted(set(received)) == list(range(since + 1, 81)), sid
        live = sockets.offsets(sid)
        assert live == sorted(set(live)), sid


async def test_a_join_during_a_broadcast_gets_the_event_after_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.realtime.rooms.broadcaster._CHECK_EVERY", 1)
    time_slice = PausedSlice()
    edge = Edge(MemoryLog(records(1, 3)), time_slice)
    sockets = edge.sockets
    await edge.relay.start()
    await until(lambda: sent(edge.deliveries) == 3)
    await edge.join(edge.session("first"), 0)
    await edge.join(edge.session("last"), 0)
    time_slice.gate.clear()
    edge.commit(record(4))
    await until(lambda: time_slice.waiting > 0)
    joining = asyncio.create_task(edge.join(edge.session("second"), 1))
    await until(lambda: edge.log.reads == 3)
    time_slice.gate.set()
    assert await joining == [2, 3]
    await until(lambda: sockets.offsets("second") == [4])
    await until(lambda: sockets.offsets("last")[-1:] == [4])
    await edge.relay.stop()


async def test_a_position_replaces_events_that_could_not_be_held() -> None:
    edge = Edge(MemoryLog())
    sockets = edge.sockets
    await edge.relay.start()
    session = edge.session("slow")
    edge.log.append(record(1))
    edge.log.readable.clear()
    joining = asyncio.create_task(edge.join(session, 0))
    await until(lambda: edge.log.reads == 1)
    last = HELD_MAX + 10
    for first in range(2, last + 1, 101):
        edge.commit(*records(first, min(first + 100, last)))
        await until(lambda: edge.published == sent(edge.deliveries))
    edge.log.readable.set()
    assert await joining == [1]
    assert sockets.offsets("slow") == list(range(2, HELD_MAX + 2))
    assert sockets.offsets("slow", "channel:position") == [last]
    await edge.relay.stop()


async def test_a_failing_subscriber_does_not_affect_the_others() -> None:
    edge = Edge(MemoryLog())
    await edge.relay.start()
    broken = edge.session("broken")
    failures = iter([ConnectionError(), ConnectionError()])
    send = broken.send

    def failing(frame: Sent, *, more: bool = False) -> None:
        if error := next(failures, None):
            raise error
        send(frame)

    await edge.join(broken, None)
    await edge.join(edge.session("working"), None)
    broken.send = failing
    edge.commit(*records(1, 3))
    await until(lambda: sent(edge.deliveries) == 3)
    assert edge.sockets.offsets("working") == [1, 2, 3]
    assert edge.sockets.offsets("broken") == [1, 2, 3]
    await edge.relay.stop()
    assert [mark.attempts for mark in edge.log.marks] == [3, 2, 2], "first all three together"


def test_events_that_cannot_be_written_after_an_answer_hold_no_other_channel() -> None:
    """A channel that stays held gets no event and no position any more."""

    class Unwritable:
        closed = False

        def deliver(self, batch: object) -> None:
            raise ConnectionError

    rooms, subscriber = Rooms(), cast("Any", Unwritable())
    entered = [rooms.enter(subscriber, channel) for channel in (A, B)]
    entered[0].keep(record(1, A))
    changes = [
        ChannelChanges(channel=channel, recovered=True, position=Position(1, 0))
        for channel in (A, B)
    ]
    nothing = cast("Any", None)
    Joins(rooms, nothing, nothing).release(Joined(subscriber, {}, changes))
    assert [each.held for each in entered] == [None, None]


async def test_other_tasks_run_while_a_large_room_is_written_to() -> None:
    edge = Edge(MemoryLog())
    broadcaster = RoomBroadcaster(edge.rooms, TimeSlice(slice_s=0))  # always used up
    for number in range(80):
        session = edge.session(f"s{number}")
        session.send = using_up_the_slice(session.send, broadcaster)
        edge.rooms.enter(session, A, held=False)
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await broadcaster.broadcast([record(1)]) == 80
    task.cancel()
    assert others >= 80 / 8 - 1
    assert all(edge.sockets.offsets(f"s{number}") == [1] for number in range(80))


def using_up_the_slice(send: Send, broadcaster: RoomBroadcaster) -> Send:
    """Begins a time slice with each write, as a send buffer does."""

    def sending(frame: Sent, *, more: bool = False) -> None:
        broadcaster._time_slice.begin()
        send(frame, more=more)

    return sending
