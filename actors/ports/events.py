"""Committed events: their log, the relay as publisher, and the broadcaster."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import NamedTuple, Protocol

from actors.domain.author import Author
from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.values import value


@value
class EventRecord:
    """An announcement in one channel, at its position."""

    channel: Channel
    position: Position
    event_id: EventId
    type: str
    time: datetime
    payload: bytes = field(repr=False)
    """The rendered body as JSON: the ``data`` of the envelope."""
    by: Author | None = field(default=None, repr=False)
    """Who made the change; ``None`` for events of versions that did not store it."""


class Delivery(NamedTuple):
    """The outcome of the broadcast of one event (criterion 10.1).

    A named tuple, because there is one for each event.
    """

    channel: Channel
    position: Position
    sent: bool
    at: datetime
    latency_ms: float
    """From the commit of the event to the end of the broadcast."""
    attempts: int
    recipients: int
    error: str | None = None
    problem: str | None = None
    """The type of the last error, even if a later attempt succeeded."""


class EventLog(Protocol):
    """The view ``realtime_events``: outbox, history for catch-up, and log of broadcasts.

    Offsets of a channel have no gaps and are in commit order. All methods raise
    StoreUnavailable. With ``by``, rows are read with the rights of that principal, for whom
    other channels do not exist; ``None`` reads for the hub itself.
    """

    async def heads(
        self, channels: Sequence[Channel], by: Principal | None = None
    ) -> Mapping[Channel, Position]:
        """The committed head of each channel; offset 0 of the first epoch if it has no event."""
        ...

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
        """Events with ``after < offset <= up_to``, in order and without a gap.

        At most ``limit`` events and about ``max_bytes`` of payload, but at least one event if
        there is one.
        """
        ...

    async def oldest(self, channel: Channel) -> int | None:
        """The offset of the oldest event that is kept; ``None`` if there is none."""
        ...

    async def pending(self, *, limit: int) -> Sequence[EventRecord]:
        """Committed events that are not marked as broadcast: oldest first, a channel's in order."""
        ...

    async def mark(self, deliveries: Sequence["Delivery"]) -> None:
        """Write the outcomes of broadcasts. Marking an event twice does no harm."""
        ...


class EventPublisher(Protocol):
    """Where the store's writer hands over the events of a commit.

    Called after COMMIT with the events of the transaction, from the event loop. The events of a
    channel come in the order of their offsets, each of them once.
    """

    def publish(self, records: Sequence[EventRecord]) -> None:
        """Take committed events. Never blocks, never raises."""
        ...


class Broadcaster(Protocol):
    """Sends events to the connections of this process.

    The relay calls it for one channel at a time in offset order. It may call it again with
    events that some subscribers have already received; they are not sent those twice.
    """

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        """Send consecutive events of one channel; returns the number of subscribers.

        Raises if any subscriber could not be served. The relay then broadcasts each event
        again on its own (criterion 7.5).
        """
        ...
