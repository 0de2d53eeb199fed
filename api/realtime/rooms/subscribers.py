"""Whoever is sent events, and what of a channel each has had.

A subscription is *held* while its catch-up answer is on the way: live events wait, in
order, until the answer was written. Afterwards whatever the answer already said is
dropped. So there is neither hole nor duplicate, whatever is committed meanwhile.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
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
    """The wire forms of one thing that many are sent: each is made by whoever asks first.

    ``once(key, make)`` is what ``make()`` returned when that key was asked for first.
    ``more``: further events follow for the same subscriber, in the same moment, so a
    transport may keep this one and write them together.
    """

    __slots__ = ("_made", "more")

    def __init__(self, *, more: bool = False) -> None:
        self._made: dict[Hashable, Any] = {}
        self.more = more

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        made = self._made
        if key not in made:
            made[key] = make()
        value: T = made[key]
        return value


class Batch:
    """Consecutive events of one channel that go out together.

    ``each`` is an event and its wire forms, ``joined`` are those of all of them.
    """

    __slots__ = ("each", "first", "joined", "last")

    def __init__(self, records: Sequence[EventRecord]) -> None:
        last = len(records) - 1
        self.each = [(record, Once(more=n < last)) for n, record in enumerate(records)]
        self.first, self.last = records[0].position, records[last].position
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

    def deliver(self, record: EventRecord, once: Once) -> None:
        """Write an event, encoded by ``once`` so that equal frames are made but once.

        What raises is retried by the relay, for this subscriber alone.
        """
        ...

    def deliver_all(self, batch: Batch) -> bool:
        """Write all of these or, raising, none; false: they are delivered one by one."""
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

    def deliver(self, record: EventRecord, once: Once) -> None:
        """Write an event unless the subscriber had it, or let it wait for the answer."""
        if self.held is not None:
            self.keep(record)
        elif (at := record.position) > self.had:
            self.subscriber.deliver(record, once)
            self.had = at

    def deliver_all(self, batch: Batch) -> None:
        """The same for several; at once where nothing stands in the way."""
        at_once = len(batch.each) > 1 and self.held is None and batch.first > self.had
        if at_once and self.subscriber.deliver_all(batch):
            self.had = batch.last
        else:
            for record, once in batch.each:
                self.deliver(record, once)

    def release(self, answered: Position) -> None:
        """The answer up to ``answered`` was written: let what was held follow it."""
        self.had = max(self.had, answered)
        held, self.held = self.held, None
        dropped, self.dropped = self.dropped, None
        following = len(held or ())
        for record in held or ():
            if self.subscriber.closed:
                return
            following -= 1
            self.deliver(record, Once(more=following > 0))
        if dropped is not None:
            self.subscriber.tell_position(self.channel, dropped.position, Once())
