"""One channel's place in the relay: what was released, what waits, what came late."""

import asyncio
from collections.abc import Sequence

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord

WAITING_MAX = 1_000
"""Events of one channel kept in memory; more are read from the log when it is their turn."""


class Lane:
    """The order of one channel. ``next`` is the offset that may go out; ``released`` in
    the words of the design is ``next - 1``.

    *Late* events lie at or before ``base``, where the lane began: whoever joined since
    then has them from the log, so they may go out at any time and are never waited for.
    """

    __slots__ = (
        "_arrived",
        "_in_flight",
        "_late",
        "_shed_up_to",
        "_waiting",
        "base",
        "channel",
        "epoch",
        "gap_reads",
        "head",
        "next",
        "task",
    )

    def __init__(self, channel: Channel, epoch: int, *, released: int) -> None:
        self.channel, self.epoch = channel, epoch
        self.base, self.next, self.head = released, released + 1, released
        self.gap_reads = 0
        self.task: asyncio.Task[None] | None = None
        self._waiting: dict[int, EventRecord] = {}
        self._late: dict[Position, EventRecord] = {}
        self._in_flight = range(0)
        self._shed_up_to = released
        self._arrived = asyncio.Event()

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.next - 1)

    @property
    def has_work(self) -> bool:
        return bool(self._late or self._waiting or self.shed)

    @property
    def is_idle(self) -> bool:
        return self.task is None and not self.has_work

    @property
    def shed(self) -> bool:
        """Whether the next event was more than memory keeps: it is in the log."""
        return self.next not in self._waiting and self.next <= self._shed_up_to

    def take_over(self, old: "Lane") -> None:
        """The epoch changed: what the lane before still had goes out first."""
        for record in (*old._late.values(), *old._waiting.values()):
            self._late[record.position] = record
        old._late.clear()
        old._waiting.clear()
        old._shed_up_to = old.next - 1

    def offer(self, record: EventRecord) -> None:
        """Take an event in any order; one that this lane has or had is ignored."""
        if record.position.epoch < self.epoch or record.position.offset <= self.base:
            self._late.setdefault(record.position, record)
            self._arrived.set()
        elif record.position.offset >= self.next and not self._has(record.position.offset):
            self.head = max(self.head, record.position.offset)
            if len(self._waiting) >= WAITING_MAX and record.position.offset != self.next:
                self._shed_up_to = max(self._shed_up_to, record.position.offset)
                return
            self._waiting[record.position.offset] = record
            if record.position.offset == self.next:
                self._arrived.set()

    def learn(self, head: int) -> bool:
        """The log reaches up to ``head``; whether that was news. It is read in its turn."""
        if head <= self.head:
            return False
        self.head = self._shed_up_to = head
        return True

    def offer_left_behind(self, record: EventRecord) -> None:
        """Take an event of before a crash; holes between such were dealt with back then."""
        if record.position.epoch == self.epoch and record.position.offset >= self.next:
            if self._has(record.position.offset):
                return
            self.base, self.next = record.position.offset, record.position.offset + 1
            self.head = max(self.head, record.position.offset)
        self.offer(record)

    def _has(self, offset: int) -> bool:
        return offset in self._in_flight or offset in self._waiting

    def take(self, at_most: int, max_bytes: int) -> Sequence[EventRecord]:
        """The events to send now, one after the other; none: the next is not in memory.

        At least one if there is one, however large. Late ones go alone.
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

    def done(self, record: EventRecord) -> None:
        """The event was sent, or has failed for good: the one after it may go."""
        if record.position.epoch == self.epoch and record.position.offset == self.next:
            self.next += 1
            self.head = max(self.head, record.position.offset)

    async def arrives(self, timeout_s: float) -> bool:
        """Wait for the event to send next; whether it came in time."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def fill(self, records: Sequence[EventRecord]) -> bool:
        """Take what the log holds from ``next`` on; false if ``next`` is not in it.

        Then the lane goes on behind the hole: its subscribers see it and ask.
        """
        for record in records:
            if record.position.offset >= self.next:
                self._waiting.setdefault(record.position.offset, record)
        if self.next in self._waiting:
            return True
        self.next = min(self._waiting, default=self.head + 1)
        return False
