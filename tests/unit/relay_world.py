"""An event log and a broadcaster in memory."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import Delivery, EventRecord

NOW = datetime(2027, 3, 8, 9, tzinfo=UTC)
A, B = Channel("availability:dentist:a"), Channel("availability:dentist:b")


def record(
    offset: int, channel: Channel = A, *, epoch: int = 1, payload: bytes = b"{}"
) -> EventRecord:
    return EventRecord(
        channel=channel,
        position=Position(epoch, offset),
        event_id=EventId(f"{channel}-{offset}"),
        type="slots.changed",
        time=NOW - timedelta(milliseconds=5),
        payload=payload,
    )


def records(first: int, last: int, channel: Channel = A) -> list[EventRecord]:
    return [record(offset, channel) for offset in range(first, last + 1)]


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class MemoryLog:
    """``realtime_events`` in memory: rows are pending until they are marked."""

    def __init__(self, rows: Sequence[EventRecord] = ()) -> None:
        self.rows = sorted(rows, key=lambda row: (row.channel, row.position))
        self.marks: list[Delivery] = []
        self.broken: set[str] = set()
        self.heads_read: list[Channel] = []
        self.reads = 0
        self.during_heads: Callable[[], None] | None = None
        self.delay_s = 0.0
        self.readable = asyncio.Event()
        """Reads wait while it is cleared, as with a slow database."""
        self.readable.set()

    def append(self, *rows: EventRecord) -> None:
        self.rows = sorted(
            [*self.rows, *rows],
            key=lambda row: (row.channel, row.position),
        )

    async def heads(
        self, channels: Sequence[Channel], by: Principal | None = None
    ) -> Mapping[Channel, Position]:
        self._check("heads")
        self.heads_read += channels
        found = {channel: self._head(channel) for channel in channels}
        await asyncio.sleep(self.delay_s)
        if self.during_heads is not None:
            self.during_heads()
        return found

    def _head(self, channel: Channel) -> Position:
        mine = [row for row in self.rows if row.channel == channel]
        epoch = max((row.position.epoch for row in mine), default=1)
        return Position(epoch, max((row.position.offset for row in mine), default=0))

    async def read(
        self,
        channel: Channel,
        *,
        after: int,
        up_to: int,
        limit: int,
        max_bytes: int,
        by: Principal | None = None,
    ) -> Sequence[EventRecord]:
        self._check("read")
        self.reads += 1
        await asyncio.sleep(self.delay_s)
        await self.readable.wait()
        found: list[EventRecord] = []
        for row in self.rows:
            if (
                row.channel == channel
                and after < row.position.offset <= up_to
                and len(found) < limit
            ):
                if found and max_bytes < len(row.payload):
                    break
                max_bytes -= len(row.payload)
                found.append(row)
        return found

    async def oldest(self, channel: Channel) -> int | None:
        return min(
            (row.position.offset for row in self.rows if row.channel == channel), default=None
        )

    async def pending(self, *, limit: int) -> Sequence[EventRecord]:
        self._check("pending")
        await asyncio.sleep(0)
        done = {(mark.channel, mark.position) for mark in self.marks}
        waiting = [row for row in self.rows if (row.channel, row.position) not in done]
        return waiting[:limit]

    async def mark(self, deliveries: Sequence[Delivery]) -> None:
        await asyncio.sleep(0)
        self._check("mark")
        self.marks += deliveries

    def _check(self, what: str) -> None:
        if what in self.broken:
            raise ConnectionError(f"{what}: the database is unavailable")

    def marked(self, channel: Channel = A) -> dict[int, Delivery]:
        return {mark.position.offset: mark for mark in self.marks if mark.channel == channel}


class ScriptedBroadcaster:
    """Records broadcasts; ``script`` and ``batch_script`` may let an attempt fail.

    ``script`` is called with an event that is sent on its own and the number of the attempt,
    ``batch_script`` with several that are sent together.
    """

    def __init__(self) -> None:
        self.sent: dict[Channel, list[int]] = defaultdict(list)
        self.attempts: list[tuple[Channel, int]] = []
        """Events that were sent on their own."""
        self.batches: list[list[int]] = []
        self.script: Callable[[EventRecord, int], Awaitable[None]] | None = None
        self.batch_script: Callable[[Sequence[EventRecord]], Awaitable[None]] | None = None
        self.recipients = 3

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        if len(records) > 1:
            self.batches.append([record.position.offset for record in records])
            if self.batch_script is not None:
                await self.batch_script(records)
        else:
            await self._one(records[0])
        for record in records:
            self.sent[record.channel].append(record.position.offset)
        return self.recipients

    async def _one(self, record: EventRecord) -> None:
        self.attempts.append((record.channel, record.position.offset))
        if self.script is not None:
            attempt = self.attempts.count((record.channel, record.position.offset))
            await self.script(record, attempt)


def sent(deliveries: Sequence[Delivery]) -> int:
    """The number of events that were broadcast."""
    return sum(delivery.sent for delivery in deliveries)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true; TimeoutError after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # conditions have no event to wait for
            await asyncio.sleep(0.001)
