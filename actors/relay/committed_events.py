"""The way of committed events out of the store."""

from collections.abc import Callable, Sequence

from actors.ports.events import EventRecord


class CommittedEvents:
    """Hands the events of each commit to its consumers, in the order of their subscription.

    Implements :class:`actors.ports.events.EventPublisher`. The store opens with it; the
    consumers, which read from the store, subscribe afterwards. An event without a consumer
    stays pending in the log, and the start of the relay broadcasts it.
    """

    def __init__(self) -> None:
        self._consumers: list[Callable[[Sequence[EventRecord]], None]] = []

    def subscribe(self, consumer: Callable[[Sequence[EventRecord]], None]) -> None:
        """``consumer`` must be quick, and must not raise."""
        self._consumers.append(consumer)

    def publish(self, records: Sequence[EventRecord]) -> None:
        for consumer in self._consumers:
            consumer(records)
