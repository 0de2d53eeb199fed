"""Events that wait are broadcast together, with the same guarantees (criteria 7.5, 9.1)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import Delivery, EventRecord
from actors.relay.relay import Relay
from actors.relay.settings import RelayLimits, RelaySettings
from tests.unit.relay_world import (
    A,
    B,
    FixedClock,
    MemoryLog,
    ScriptedBroadcaster,
    record,
    records,
    sent,
    until,
)

QUICK = RelayLimits(drain_s=0.5)
SHORT_ATTEMPTS = RelaySettings(attempt_timeout_ms=50)


class World:
    def __init__(
        self,
        settings: RelaySettings = SHORT_ATTEMPTS,
        limits: RelayLimits = QUICK,
    ) -> None:
        self.log, self.broadcaster = MemoryLog(), ScriptedBroadcaster()
        self.slept: list[float] = []
        self.deliveries: list[Delivery] = []
        self.failures: list[tuple[Channel, Position]] = []
        self.relay = Relay(
            events=self.log,
            clock=FixedClock(),
            broadcaster=self.broadcaster,
            on_failure=self._failed,
            settings=settings,
            limits=limits,
            jitter=lambda: 1.0,
            sleep=self._sleep,
            on_deliveries=self.deliveries.extend,
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

    @property
    def attempts(self) -> dict[int, int]:
        return {offset: mark.attempts for offset, mark in self.log.marked().items()}


async def fails(_: Sequence[EventRecord]) -> None:
    raise ConnectionError("no way through")


async def hangs(_: Sequence[EventRecord]) -> None:
    await asyncio.Event().wait()


async def test_an_event_that_does_not_wait_is_sent_alone() -> None:
    async with World().running() as world:
        for offset in (1, 2, 3):
            world.commit(record(offset))
            await until(lambda: sent(world.deliveries) == offset)  # noqa: B023  # awaited at once
    assert world.broadcaster.batches == []
    assert world.broadcaster.sent[A] == [1, 2, 3]


async def test_waiting_events_are_sent_in_order_in_bounded_batches() -> None:
    async with World().running() as world:
        world.commit(*records(1, 40))
        await until(lambda: sent(world.deliveries) == 40)
    assert world.broadcaster.batches == [
        list(range(1, 17)),
        list(range(17, 33)),
        list(range(33, 41)),
    ]
    assert set(world.attempts.values()) == {1}
    assert sorted(world.attempts) == list(range(1, 41))


async def test_a_batch_is_bounded_in_bytes_and_has_at_least_one_event() -> None:
    limits = RelayLimits(batch_bytes_max=100, drain_s=0.5)
    async with World(RelaySettings(), limits).running() as world:
        sizes = (40, 40, 40, 500, 10, 10)
        world.commit(*[record(n, payload=b"x" * size) for n, size in enumerate(sizes, 1)])
        await until(lambda: sent(world.deliveries) == 6)
    assert world.broadcaster.batches == [[1, 2], [5, 6]]
    assert world.broadcaster.sent[A] == [1, 2, 3, 4, 5, 6]


async def test_events_of_a_failed_batch_are_retried_one_by_one() -> None:
    async with World().running() as world:
        world.broadcaster.batch_script = fails
        world.commit(*records(1, 3))
        await until(lambda: sent(world.deliveries) == 3)
    assert world.broadcaster.sent[A] == [1, 2, 3]
    assert world.attempts == {1: 2, 2: 2, 3: 2}
    assert world.slept == [0.1], "they wait for the first retry together"


async def test_an_event_of_a_failed_batch_has_three_retries_in_all() -> None:
    async def second_fails(record: EventRecord, _: int) -> None:
        if record.position.offset == 2:
            raise ConnectionError

    with structlog.testing.capture_logs() as logs:
        async with World().running() as world:
            world.broadcaster.batch_script, world.broadcaster.script = fails, second_fails
            world.commit(*records(1, 3))
            await until(lambda: sent(world.deliveries) == 2)
            await until(lambda: bool(world.failures))
    assert world.broadcaster.sent[A] == [1, 3]
    assert world.attempts == {1: 2, 2: 4, 3: 2}
    assert world.slept == [0.1, 0.2, 0.4]
    assert not world.log.marked()[2].sent
    assert world.failures == [(A, Position(1, 2))]
    assert [line["offset"] for line in logs if line["event"] == "broadcast_failed"] == [2]


async def test_without_retries_a_failed_batch_has_failed() -> None:
    async with World(RelaySettings(retries=0)).running() as world:
        world.broadcaster.batch_script = fails
        world.commit(*records(1, 2))
        await until(lambda: [each.sent for each in world.deliveries] == [False, False])
    assert world.attempts == {1: 1, 2: 1}
    assert world.broadcaster.attempts == []


async def test_a_batch_that_hangs_delays_no_other_channel() -> None:
    async with World(RelaySettings(attempt_timeout_ms=200)).running() as world:

        async def hangs_in_a(rows: Sequence[EventRecord]) -> None:
            if rows[0].channel == A:
                await hangs(rows)

        world.broadcaster.batch_script = hangs_in_a
        world.commit(*records(1, 3))
        world.commit(*records(1, 20, B))
        await until(lambda: len(world.broadcaster.sent[B]) == 20)
        assert world.broadcaster.sent[A] == []
        await until(lambda: sent(world.deliveries) == 23)
    assert world.broadcaster.sent[A] == [1, 2, 3]


async def test_a_batch_has_the_timeout_of_all_its_events() -> None:
    """Otherwise a large room would be sent all of them one by one."""
    async with World(
        RelaySettings(attempt_timeout_ms=100), RelayLimits(drain_s=5)
    ).running() as world:

        async def slowly(_: Sequence[EventRecord]) -> None:
            await asyncio.sleep(0.2)

        world.broadcaster.batch_script = slowly
        world.commit(*records(1, 16))
        await until(lambda: sent(world.deliveries) == 16)
    assert world.attempts == dict.fromkeys(range(1, 17), 1)
    assert [len(batch) for batch in world.broadcaster.batches] == [16]


async def test_the_position_moves_after_the_whole_batch() -> None:
    async with World(
        RelaySettings(attempt_timeout_ms=30_000), RelayLimits(drain_s=0)
    ).running() as world:
        gate = asyncio.Event()

        async def wait(_: Sequence[EventRecord]) -> None:
            await gate.wait()

        world.broadcaster.batch_script = wait
        world.commit(*records(1, 5))
        await until(lambda: bool(world.broadcaster.batches))
        assert (await world.relay.positions([A]))[A].offset == 0
        world.relay.publish(records(1, 5))  # published twice: events in flight are not added again
        gate.set()
        await until(lambda: sent(world.deliveries) >= 5)
        assert (await world.relay.positions([A]))[A].offset == 5
    assert world.broadcaster.sent[A] == [1, 2, 3, 4, 5]
