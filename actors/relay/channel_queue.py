"""The events of one channel that wait to be broadcast."""

import asyncio
from collections.abc import Sequence
from typing import Final

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord

WAITING_MAX: Final = 1_000
"""Events of one channel kept in memory; the rest is read from the log when its turn comes."""


class ChannelQueue:
    """Puts the events of one channel in the order of their offsets.

    ``next`` is the offset that may be broadcast now: all events before it were broadcast, or
    have failed for good. ``head`` is the last offset that is known to exist.

    *Late* events lie at or before ``start``, where this queue began. A subscriber that joined
    since then has read them from the log. So they are broadcast as soon as possible, for
    those that joined earlier, and no other event waits for them.
    """

    def __init__(self, channel: Channel, position: Position) -> None:
        """``position``: everything up to it is broadcast, or need not be."""
        self.channel, self.epoch = channel, position.epoch
        self.start = self.head = position.offset
        self.next = position.offset + 1
        self.failed_reads = 0
        """Reads of the present gap that failed."""
        self.task: asyncio.Task[None] | None = None
        """Broadcasts these events; ``None`` while there are none."""
        self._waiting: dict[int, EventRecord] = {}
        self._late: dict[Position, EventRecord] = {}
        self._in_flight = range(0)
        self._unkept_up_to = position.offset
        self._next_arrived = asyncio.Event()

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.next - 1)

    @property
    def has_work(self) -> bool:
        return bool(self._late or self._waiting or self.next_is_in_log)

    @property
    def is_idle(self) -> bool:
        return self.task is None and not self.has_work

    @property
    def next_is_in_log(self) -> bool:
        """Whether the next event is known to be in the log, and not kept in memory."""
        return self.next not in self._waiting and self.next <= self._unkept_up_to

    def inherit(self, old: "ChannelQueue") -> None:
        """Take over what waits in the queue of an older epoch; it is late."""
        for record in (*old._late.values(), *old._waiting.values()):
            self._late[record.position] = record
        old._late.clear()
        old._waiting.clear()
        old._unkept_up_to = old.next - 1

    def add(self, record: EventRecord) -> None:
        """Add an event, in any order; one that was added before is ignored."""
        offset = record.position.offset
        if record.position.epoch < self.epoch or offset <= self.start:
            self._late.setdefault(record.position, record)
            self._next_arrived.set()
        elif offset >= self.next and not self._has(offset):
            self.head = max(self.head, offset)
            if len(self._waiting) >= WAITING_MAX and offset != self.next:
                self._unkept_up_to = max(self._unkept_up_to, offset)
                return
            self._waiting[offset] = record
            if offset == self.next:
                self._next_arrived.set()

    def add_recovered(self, record: EventRecord) -> None:
        """Add an event that a crash left pending; the gaps between such events are no gaps.

        The events between them were broadcast before the crash.
        """
        offset = record.position.offset
        if record.position.epoch == self.epoch and offset >= self.next:
            if self._has(offset):
                return
            self.start, self.next = offset, offset + 1
            self.head = max(self.head, offset)
        self.add(record)

    def extend_to(self, head: int) -> bool:
        """Note that the log reaches up to ``head``; returns whether that is news."""
        if head <= self.head:
            return False
        self.head = self._unkept_up_to = head
        return True

    def _has(self, offset: int) -> bool:
        return offset in self._in_flight or offset in self._waiting

    def take(self, at_most: int, max_bytes: int) -> Sequence[EventRecord]:
        """Take the consecutive events to broadcast now; none if the next is not in memory.

        At least one if there is one, however large. Late events are taken one by one.
        """
        if self._late:
            return [self._late.pop(next(iter(self._late)))]
        taken: list[EventRecord] = []
        while len(taken) < at_most:
            record = self._waiting.get(self.next + len(taken))
            if record is None:
                break
            max_bytes -= len(record.payload)
            if taken and max_bytes < 0:
                break
            taken.append(self._waiting.pop(record.position.offset))
        self._in_flight = range(self.next, self.next + len(taken))
        return taken

    def settle(self, record: EventRecord) -> None:
        """Let the next event follow: this one was broadcast, or has failed for good."""
        if record.position == (self.epoch, self.next):
            self.head = max(self.head, self.next)
            self.next += 1

    async def next_arrives(self, within_s: float) -> bool:
        """Wait for the next event; returns whether it came in time."""
        self._next_arrived.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._next_arrived.wait()
        except TimeoutError:
            return False
        return True

    def fill_gap(self, records: Sequence[EventRecord]) -> bool:
        """Add what the log holds from ``next`` on; returns false if ``next`` is missing there.

        The queue then goes on behind the gap. Subscribers notice the gap and read it from the log.
        """
        for record in records:
            if record.position.offset >= self.next:
                self._waiting.setdefault(record.position.offset, record)
        if self.next in self._waiting:
            return True
        self.next = min(self._waiting, default=self.head + 1)
        return False
