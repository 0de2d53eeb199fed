"""Subscribers of channels, and how far each of them has been served.

A subscription is *held* while its catch-up answer is on the way. Live events are then kept, in
order, until the answer was written; those that the answer contained are dropped. So no event is
lost or repeated.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord

T = TypeVar("T")

HELD_MAX: Final = 1_000
"""Events kept for one answer. Later ones are dropped, and the client is sent the position."""

NOWHERE: Final = Position(-1, -1)
"""Before every position of every channel."""


class WireForms:
    """The encoded forms of one message for many subscribers, each form encoded once.

    ``forms(key, encode)`` calls ``encode()`` for the first subscriber with that key, and
    returns the same value to all others.
    """

    __slots__ = ("_encoded",)

    def __init__(self) -> None:
        self._encoded: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, encode: Callable[[], T]) -> T:
        encoded = self._encoded
        if key not in encoded:
            encoded[key] = encode()
        value: T = encoded[key]
        return value


class EventBatch:
    """One event or several consecutive ones of a channel, which are delivered together.

    ``events`` are the events, each with its wire forms. ``forms`` are those of the whole batch.
    """

    __slots__ = ("events", "first", "forms", "last")

    def __init__(self, records: Sequence[EventRecord]) -> None:
        self.events = [(record, WireForms()) for record in records]
        self.first, self.last = records[0].position, records[-1].position
        self.forms = WireForms()


class Subscriber(Protocol):
    """A connection, or a part of one, that receives the events of channels.

    Subscribers are compared by identity. No method waits: it writes, or queues within the
    connection's own bound. Writing to a closed connection is no error. A connection that does
    not read fast enough is closed by its transport; its client then catches up by offset.
    """

    @property
    def closed(self) -> bool:
        """The connection has ended or is about to: nothing more is delivered."""
        ...

    def deliver(self, batch: EventBatch) -> None:
        """Write these events in order, in the batch's wire forms.

        If it raises, none of them was written; the relay retries them one by one.
        """
        ...

    def notify_position(self, channel: Channel, position: Position, forms: WireForms) -> None:
        """Write ``channel:position``: how far the channel has been delivered."""
        ...

    def notify(self, event: str, data: bytes, forms: WireForms) -> None:
        """Write an event that is not stored, such as ``hub.status``; ``data`` is ready JSON."""
        ...


@dataclass(eq=False, slots=True)
class Subscription:
    """One subscriber's membership of one channel."""

    subscriber: Subscriber
    channel: Channel
    sent: Position = NOWHERE
    """The subscriber has received everything up to here."""
    held: deque[EventRecord] | None = None
    dropped: EventRecord | None = None
    """The last event that ``held`` had no space for."""

    def hold(self) -> None:
        if self.held is None:
            self.held = deque()

    def keep(self, record: EventRecord) -> None:
        """Keep a live event until the answer that is on the way was written."""
        assert self.held is not None
        if self.dropped is not None or len(self.held) >= HELD_MAX:
            self.dropped = record
        else:
            self.held.append(record)

    def deliver(self, batch: EventBatch) -> None:
        """Write the events that the subscriber has not received; while it is held, keep them."""
        if self.held is not None:
            for record, _ in batch.events:
                self.keep(record)
        elif batch.first > self.sent:
            self.subscriber.deliver(batch)
            self.sent = batch.last
        else:
            self._deliver_new([record for record, _ in batch.events])

    def _deliver_new(self, records: Iterable[EventRecord]) -> None:
        """Write those events that come after ``sent``."""
        new: list[EventRecord] = []
        last = self.sent
        for record in records:
            if record.position > last:
                new.append(record)
                last = record.position
        if new:
            self.subscriber.deliver(EventBatch(new))
            self.sent = last

    def release(self, answered: Position) -> None:
        """The answer up to ``answered`` was written: deliver the kept events after it."""
        self.sent = max(self.sent, answered)
        held, self.held = self.held, None
        dropped, self.dropped = self.dropped, None
        if self.subscriber.closed:
            return
        self._deliver_new(held or ())
        if dropped is not None:
            self.subscriber.notify_position(self.channel, dropped.position, WireForms())
