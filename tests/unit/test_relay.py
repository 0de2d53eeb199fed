"""The relay: order in each channel, gaps, retries and restarts (criteria 7.5, 9.1, 10.1)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import Delivery, EventRecord
from actors.relay.channel_queue import WAITING_MAX
from actors.relay.relay import Relay
from actors.relay.settings import RelayLimits, RelaySettings
from tests.unit.relay_world import (
    NOW,
    A,
    B,
    FixedClock,
    MemoryLog,
    ScriptedBroadcaster,
    record,
    records,
    until,
)

QUICK = RelayLimits(gap_wait_s=0.05, flush_interval_s=0.01, drain_s=0.5, page_size=4)
SHORT_ATTEMPTS = RelaySettings(attempt_timeout_ms=50)
LONG_ATTEMPTS = RelaySettings(attempt_timeout_ms=30_000)


class World:
    def __init__(
        self,
        *rows: EventRecord,
        settings: RelaySettings = SHORT_ATTEMPTS,
        limits: RelayLimits = QUICK,
        **options: Any,
    ) -> None:
        self.empty: set[Channel] = set()
        """Channels without subscribers."""
        self.log = MemoryLog(rows)
        self.broadcaster = ScriptedBroadcaster()
        self.slept: list[float] = []
        self.failures: list[tuple[Channel, Position]] = []
        self.deliveries: list[Delivery] = []
        self.relay = Relay(
            events=self.log,
            clock=FixedClock(),
            broadcaster=self.broadcaster,
            on_failure=self._failed,
            has_subscribers=lambda channel: channel not in self.empty,
            settings=settings,
            limits=replace(limits, batch_max=1),  # batches: test_relay_batches
            jitter=lambda: 1.0,
            sleep=self._sleep,
            on_deliveries=self.deliveries.extend,
            **options,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def _failed(self, channel: Channel, position: Position) -> None:
        self.failures.append((channel, position))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        await self.relay.start()
        try:
            yield self
        finally:
            await self.relay.stop()

    def commit(self, *rows: EventRecord) -> None:
        self.log.append(*rows)
        self.relay.publish(rows)

    def sent(self, channel: Channel = A) -> list[int]:
        return self.broadcaster.sent[channel]


def failing(
    times: int, *, only: Channel | None = None
) -> Callable[[EventRecord, int], Awaitable[None]]:
    async def script(record: EventRecord, attempt: int) -> None:
        if (only is None or record.channel == only) and attempt <= times:
            raise ConnectionError("no way through")

    return script


async def test_events_of_a_channel_go_out_in_the_order_of_their_offsets() -> None:
    async with World().running() as world:
        world.commit(*records(1, 50))
        await until(lambda: len(world.sent()) == 50)
    assert world.sent() == list(range(1, 51))


async def test_an_event_published_early_waits_for_the_one_before() -> None:
    async with World(limits=RelayLimits(gap_wait_s=60, drain_s=0.5)).running() as world:
        world.commit(record(1))
        world.relay.publish([record(3)])
        await until(lambda: world.sent() == [1])
        await asyncio.sleep(0.01)
        assert world.sent() == [1]
        world.relay.publish([record(2)])
        await until(lambda: len(world.sent()) == 3)
    assert world.sent() == [1, 2, 3]
    assert world.log.reads == 0


async def test_an_event_that_was_not_published_is_read_from_the_log() -> None:
    async with World().running() as world:
        world.commit(record(1))
        world.log.append(record(2), record(3))
        world.commit(record(4))
        await until(lambda: len(world.sent()) == 4)
    assert world.sent() == [1, 2, 3, 4]


async def test_a_gap_that_the_log_has_too_is_skipped() -> None:
    async with World().running() as world:
        world.commit(record(1))
        world.relay.publish([record(3)])
        await until(lambda: len(world.sent()) == 2)
    assert world.sent() == [1, 3]


async def test_a_gap_that_cannot_be_read_is_skipped_after_some_attempts() -> None:
    limits = replace(QUICK, gap_reads_max=3)
    async with World(limits=limits).running() as world:
        world.commit(record(1))
        world.log.broken.add("read")
        world.relay.publish([record(3)])
        await until(lambda: len(world.sent()) == 2)
    assert world.sent() == [1, 3]


async def test_no_event_is_lost_while_the_log_is_unreachable() -> None:
    """Subscribers could not have read the missing events from the log either."""
    async with World().running() as world:
        world.commit(record(1))
        world.log.append(record(2))
        world.log.broken.add("read")
        world.relay.publish([record(3)])
        await until(lambda: len(world.slept) >= 5)
        assert world.sent() == [1]
        world.log.broken.clear()
        await until(lambda: len(world.sent()) == 3)
    assert world.sent() == [1, 2, 3]


async def test_subscribers_get_the_position_behind_a_skipped_gap() -> None:
    async with World().running() as world:
        world.commit(record(1))
        world.relay.publish([record(3)])
        await until(lambda: len(world.sent()) == 2)
    assert [position.offset for _, position in world.failures] == [2]


async def test_a_failed_broadcast_is_retried_with_exponential_backoff() -> None:
    async with World().running() as world:
        world.broadcaster.script = failing(3)
        world.commit(record(1))
        await until(lambda: world.sent() == [1])
    assert world.slept == [0.1, 0.2, 0.4]
    mark = world.log.marked()[1]
    assert (mark.sent, mark.attempts, mark.recipients, mark.error) == (True, 4, 3, None)
    assert mark.problem == "ConnectionError", "why it was repeated, though it was sent in the end"
    assert not world.failures


async def test_after_the_third_retry_a_failure_is_logged_and_reported() -> None:
    with structlog.testing.capture_logs() as logs:
        async with World().running() as world:
            world.broadcaster.script = failing(4)
            world.commit(record(1), record(2))
            world.broadcaster.script = failing(4)
            await until(lambda: len(world.failures) == 2)
    first = next(line for line in logs if line["event"] == "broadcast_failed")
    assert {key: first[key] for key in ("channel", "offset", "epoch", "type", "attempts")} == {
        "channel": A,
        "offset": 1,
        "epoch": 1,
        "type": "slots.changed",
        "attempts": 4,
    }
    assert first["event_id"] == record(1).event_id
    assert "payload" not in first
    assert isinstance(first["exc_info"], ConnectionError)
    assert [line["event"] for line in logs].count("broadcast_failed") == 2
    mark = world.log.marked()[1]
    assert (mark.sent, mark.attempts, mark.recipients) == (False, 4, 0)
    assert mark.error == "ConnectionError: no way through"
    assert world.failures == [(A, Position(1, 1)), (A, Position(1, 2))]


async def test_after_a_failure_the_channel_goes_on_with_the_next_event() -> None:
    async def only_the_first_fails(record: EventRecord, _: int) -> None:
        if record.position.offset == 1:
            raise ConnectionError

    async with World().running() as world:
        world.broadcaster.script = only_the_first_fails
        world.commit(record(1), record(2))
        await until(lambda: world.sent() == [2])
        assert (await world.relay.positions([A]))[A] == Position(1, 2)


async def test_a_broadcast_that_hangs_is_cancelled_after_the_timeout() -> None:
    async def hang_once(_: EventRecord, attempt: int) -> None:
        if attempt == 1:
            await asyncio.Event().wait()

    async with World().running() as world:
        world.broadcaster.script = hang_once
        world.commit(record(1))
        await until(lambda: world.sent() == [1])
    assert world.log.marked()[1].attempts == 2


async def test_a_channel_that_fails_or_hangs_delays_no_other() -> None:
    async def hang(record: EventRecord, _: int) -> None:
        if record.channel == A:
            await asyncio.Event().wait()

    async with World(settings=LONG_ATTEMPTS, limits=RelayLimits(drain_s=0)).running() as world:
        world.broadcaster.script = hang
        world.commit(record(1))
        world.commit(*records(1, 20, B))
        await until(lambda: len(world.sent(B)) == 20)
        assert world.sent(A) == []


async def test_a_broadcast_is_marked_with_latency_recipients_and_attempts() -> None:
    async with World().running() as world:
        world.commit(record(1))
        await until(lambda: bool(world.log.marks))
        assert world.log.marks == [
            Delivery(
                channel=A,
                position=Position(1, 1),
                sent=True,
                at=NOW,
                latency_ms=5.0,
                attempts=1,
                recipients=3,
            )
        ]
        assert world.deliveries == world.log.marks


async def test_marks_that_cannot_be_written_are_written_later() -> None:
    async with World().running() as world:
        world.log.broken.add("mark")
        world.commit(*records(1, 10))
        await until(lambda: len(world.sent()) == 10)
        await asyncio.sleep(0.03)
        assert world.log.marks == []
        world.log.broken.clear()
    assert sorted(world.log.marked()) == list(range(1, 11))


async def test_pending_events_of_a_crash_are_broadcast_at_start_in_order() -> None:
    world = World(*records(1, 11), *records(7, 9, B))
    async with world.running():
        await until(lambda: len(world.log.marks) == 14)
    assert world.sent(A) == list(range(1, 12))
    assert world.sent(B) == [7, 8, 9]


async def test_gaps_between_pending_events_of_a_crash_are_no_gaps() -> None:
    world = World(record(3), record(6), limits=RelayLimits(gap_wait_s=60, drain_s=0.5))
    async with world.running():
        await until(lambda: len(world.sent()) == 2)
        world.commit(record(7))
        await until(lambda: len(world.sent()) == 3)
    assert world.sent() == [3, 6, 7]


async def test_events_published_before_the_start_follow_the_pending_ones() -> None:
    world = World(*records(1, 3))
    world.commit(record(4))
    assert world.sent() == []
    async with world.running():
        await until(lambda: len(world.log.marked()) == 4)
    assert world.sent() == [1, 2, 3, 4]


async def test_a_channel_without_published_events_is_at_its_head() -> None:
    async with World().running() as world:
        world.log.append(*records(1, 5))
        assert (await world.relay.positions([A]))[A] == Position(1, 5)
        await world.relay.positions([A])
        assert world.log.heads_read == [A]


async def test_an_event_published_after_the_head_was_read_is_broadcast() -> None:
    async with World().running() as world:
        world.log.append(record(5))
        assert ((await world.relay.positions([A]))[A]).offset == 5
        world.relay.publish([record(5)])
        await until(lambda: world.sent() == [5])
        assert ((await world.relay.positions([A]))[A]).offset == 5
        world.commit(record(6))
        await until(lambda: world.sent() == [5, 6])


async def test_an_event_published_during_the_lookup_decides_the_position() -> None:
    async with World(settings=LONG_ATTEMPTS, limits=RelayLimits(drain_s=0)).running() as world:
        gate = asyncio.Event()

        async def wait(_: EventRecord, __: int) -> None:
            await gate.wait()

        world.broadcaster.script = wait
        world.log.append(*records(1, 6))
        world.log.during_heads = lambda: world.relay.publish([record(7)])
        assert ((await world.relay.positions([A]))[A]).offset == 6
        gate.set()
        await until(lambda: world.sent() == [7])
        assert ((await world.relay.positions([A]))[A]).offset == 7


async def test_the_position_includes_only_broadcast_events() -> None:
    async with World(settings=LONG_ATTEMPTS, limits=RelayLimits(drain_s=0)).running() as world:
        gate = asyncio.Event()

        async def wait(record: EventRecord, _: int) -> None:
            if record.position.offset == 2:
                await gate.wait()

        world.broadcaster.script = wait
        world.commit(record(1), record(2), record(3))
        await until(lambda: world.sent() == [1])
        assert ((await world.relay.positions([A]))[A]).offset == 1
        gate.set()
        await until(lambda: world.sent() == [1, 2, 3])
        assert ((await world.relay.positions([A]))[A]).offset == 3


async def test_events_beyond_the_memory_bound_are_read_from_the_log() -> None:
    last = WAITING_MAX + 300
    limits = RelayLimits(gap_wait_s=60, drain_s=0.5, page_size=100)
    async with World(limits=limits).running() as world:
        world.commit(*records(1, last))
        await until(lambda: len(world.sent()) == last)
    assert world.sent() == list(range(1, last + 1))
    assert world.log.reads >= 3


async def test_a_new_epoch_starts_after_the_events_of_the_old_one() -> None:
    async with World().running() as world:
        world.commit(record(8), record(9))
        world.commit(record(3, epoch=2), record(4, epoch=2))
        await until(lambda: len(world.sent()) == 4)
        assert (await world.relay.positions([A]))[A] == Position(2, 4)
    assert set(world.sent()) == {8, 9, 3, 4}


async def test_listeners_are_called_at_once_and_may_fail() -> None:
    received: list[Sequence[EventRecord]] = []

    def broken(_: Sequence[EventRecord]) -> None:
        raise RuntimeError("a bug")

    world = World(listeners=[broken, received.append])
    world.relay.publish(records(1, 2))
    assert received == [records(1, 2)], "once for the events of a commit"
    async with world.running():
        await until(lambda: world.sent() == [1, 2])


async def test_a_forgotten_channel_continues_at_its_head() -> None:
    limits = RelayLimits(idle_channels_max=1, drain_s=0.5)
    async with World(limits=limits).running() as world:
        world.commit(record(1))
        await until(lambda: world.sent(A) == [1])
        world.commit(record(1, B))
        await until(lambda: world.sent(B) == [1])
        assert ((await world.relay.positions([A]))[A]).offset == 1
        assert world.log.heads_read == [A]
        world.commit(record(2))
        await until(lambda: world.sent(A) == [1, 2])


async def test_stopping_leaves_slow_broadcasts_pending() -> None:
    async def second_hangs(record: EventRecord, _: int) -> None:
        if record.position.offset == 2:
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    world = World(settings=LONG_ATTEMPTS, limits=RelayLimits(drain_s=0.05))
    world.broadcaster.script = second_hangs
    async with world.running():
        world.commit(record(1), record(2), record(3))
    assert sorted(world.log.marked()) == [1]
    world.relay.publish([record(4)])
    assert asyncio.all_tasks() == before

    again = World(*world.log.rows)
    again.log.marks = world.log.marks
    async with again.running():
        await until(lambda: len(again.log.marked()) == 3)
    assert again.sent() == [2, 3]


async def test_idle_channels_have_no_task() -> None:
    async with World().running() as world:
        before = len(asyncio.all_tasks())
        world.commit(*records(1, 3), *records(1, 3, B))
        assert len(asyncio.all_tasks()) == before + 2
        await until(lambda: len(world.sent(A)) + len(world.sent(B)) == 6)
        await until(lambda: len(asyncio.all_tasks()) == before)


async def test_without_subscribers_an_event_is_settled_without_a_broadcast() -> None:
    async with World().running() as world:
        world.empty.add(A)
        world.commit(record(1), record(1, B), record(2))
        assert [
            (each.channel, each.position.offset, each.recipients) for each in world.deliveries
        ] == [
            (A, 1, 0),
            (A, 2, 0),
        ]
        assert all(each.sent and each.attempts == 1 for each in world.deliveries)
        assert ((await world.relay.positions([A]))[A]).offset == 2
        assert world.log.heads_read == [A], "it had no queue until now"
        await until(lambda: world.broadcaster.sent[B] == [1])
        assert not world.broadcaster.sent[A]


async def test_a_subscriber_of_a_channel_without_a_queue_gets_the_next_event() -> None:
    async with World().running() as world:
        world.empty.add(A)
        world.commit(record(1))
        world.empty.clear()
        assert ((await world.relay.positions([A]))[A]).offset == 1
        world.commit(record(2))
        await until(lambda: world.sent() == [2])
        await until(lambda: sorted(world.log.marked()) == [1, 2])


async def test_events_before_the_start_wait_for_it_without_subscribers() -> None:
    world = World()
    world.empty.add(A)
    world.relay.publish([record(1)])
    assert not world.deliveries
    async with world.running():
        assert [each.position.offset for each in world.deliveries] == [1]


async def test_gaps_are_filled_without_subscribers_for_those_who_join() -> None:
    async with World(*records(1, 4)).running() as world:
        await until(lambda: world.broadcaster.sent[A] == [1, 2, 3, 4])
        world.empty.add(A)
        world.log.append(record(5), record(6))
        world.relay.publish([record(6)])
        await until(lambda: [each.position.offset for each in world.deliveries][4:] == [5, 6])
        world.empty.clear()
        world.relay.publish([record(7)])
        await until(lambda: world.broadcaster.sent[A][-1] == 7)
