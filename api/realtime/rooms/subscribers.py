"""Whoever is sent events, and what of a channel each has had.

A subscription is *held* while its catch-up answer is on the way: live events wait, in
order, until the answer was written. Afterwards whatever the answer already said is
dropped. So there is neither hole nor duplicate, whatever is committed meanwhile.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord

T = TypeVar("T")

HELD_MAX = 1_000
"""Events that wait for one answer; what is more is not kept, and the client told to ask."""

NOWHERE: Final = Position(-1, -1)
"""Before every position of every channel."""


class Once:
    """The wire forms of one thing that many subscribers are sent, each encoded once.

    ``once(key, make)`` calls ``make()`` for the first subscriber with that key, and returns
    the same value to all others.
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        made = self._made
        if key not in made:
            made[key] = make()
        value: T = made[key]
        return value


class Batch:
    """One event or several consecutive ones of a channel, that are delivered together.

    ``each`` are the events with their wire forms; ``joined`` are the forms of all of them.
    """

    __slots__ = ("each", "first", "joined", "last")

    def __init__(self, records: Sequence[EventRecord]) -> None:
        self.each = [(record, Once()) for record in records]
        self.first, self.last = records[0].position, records[-1].position
        self.joined = Once()


class Subscriber(Protocol):
    """One connection as the rooms see it, compared by identity.

    A Socket.IO session, a channel of another protocol, a stream. Everything here is
    synchronous: it writes, or queues within the connection's own bound, and never waits.
    Writing to a connection that has gone is no error. Whoever does not read fast enough
    is closed by its own transport, and catches up by offset.
    """

    @property
    def closed(self) -> bool:
        """It has left, or is about to: nothing is delivered any more."""
        ...

    def deliver(self, batch: Batch) -> None:
        """Write these events, in order; encode them by the batch, which others share.

        If it raises, none of them was written; the relay retries them one by one.
        """
        ...

    def tell_position(self, channel: Channel, position: Position, once: Once) -> None:
        """Write ``channel:position``: up to where the channel was sent."""
        ...

    def tell(self, event: str, data: bytes, once: Once) -> None:
        """Write something that is no row of the log, such as ``hub.status``; ready JSON."""
        ...


@dataclass(eq=False, slots=True)
class Subscription:
    subscriber: Subscriber
    channel: Channel
    had: Position = NOWHERE
    """Up to here the subscriber has everything that was sent."""
    held: deque[EventRecord] | None = None
    dropped: EventRecord | None = None
    """The last of the events that were more than ``held`` may hold."""

    def hold(self) -> None:
        if self.held is None:
            self.held = deque()

    def keep(self, record: EventRecord) -> None:
        """Let a live event wait for the answer that is on the way."""
        assert self.held is not None
        if self.dropped is not None or len(self.held) >= HELD_MAX:
            self.dropped = record
        else:
            self.held.append(record)

    def deliver(self, batch: Batch) -> None:
        """Write events that the subscriber has not had; while it is held, keep them."""
        if self.held is not None:
            for record, _ in batch.each:
                self.keep(record)
        elif batch.first > self.had:
            self.subscriber.deliver(batch)
            self.had = batch.last
        else:
            self._deliver_news([record for record, _ in batch.each])

    def _deliver_news(self, records: Iterable[EventRecord]) -> None:
        """Write those events that come after what the subscriber has had."""
        news: list[EventRecord] = []
        had = self.had
        for record in records:
            if record.position > had:
                news.append(record)
                had = record.position
        if news:
            self.subscriber.deliver(Batch(news))
            self.had = had

    def release(self, answered: Position) -> None:
        """The answer up to ``answered`` was written: let what was held follow it."""
        self.had = max(self.had, answered)
        held, self.held = self.held, None
        dropped, self.dropped = self.dropped, None
        if self.subscriber.closed:
            return
        self._deliver_news(held or ())
        if dropped is not None:
            self.subscriber.tell_position(self.channel, dropped.position, Once())
