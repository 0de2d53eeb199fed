"""Broadcasts committed events to the connections of this process, in channel order.

Guarantees:

- **Order.** The events of a channel are broadcast in the order of their offsets. Event n + 1
  waits until n was broadcast or has failed for good. No channel waits for another.
- **Duplicates.** An event can be broadcast more than once, by a retry or by the start after
  a crash. Subscribers drop a repeated event by its position.
- **Failure.** A broadcast that fails is retried (criterion 7.5). When all retries have failed,
  the event counts as failed, the channel goes on, and its subscribers are sent the channel's
  position. They notice the gap and read the event from the log.
- **Memory.** What the relay holds is bounded. All of it may be lost, for every event is a
  committed row: what memory lacks is read from the log when its turn comes.

The way of an event: :meth:`Relay.publish` puts it into the queue of its channel and wakes the
queue. A queue with work has one task, :meth:`Relay._drain`. It takes the events that may go out,
broadcasts them with retries (:mod:`actors.relay.retries`), and settles them. The task ends when
the queue is empty. An event of a channel without subscribers, whose position was not looked up
either, needs no queue: it is settled at once, with the others of its commit.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.clock import Clock
from actors.ports.events import Broadcaster, Delivery, EventLog, EventRecord
from actors.relay.channel_queue import ChannelQueue
from actors.relay.channel_queues import ChannelQueues
from actors.relay.delivery_marks import DeliveryMarks
from actors.relay.retries import BroadcastOutcome, RetryingBroadcaster, Sleep
from actors.relay.settings import RelayLimits, RelaySettings
from actors.tasks import Tasks

log = structlog.get_logger(__name__)

Listener = Callable[[Sequence[EventRecord]], None]

_GAP_BYTES_MAX = 1_000_000
_NO_BROADCAST: Final = BroadcastOutcome(attempts=1)
"""The outcome of events that have no recipient."""


class Relay:
    """Takes committed events of this node and of others, and broadcasts them.

    Implements :class:`actors.ports.events.EventPublisher`. Use it from the event loop only.

    ``listeners`` are called with the events of each commit at once, before any broadcast, so
    that caches drop what is no longer true (criterion 10.5). ``on_deliveries`` is called with
    the outcomes of broadcasts. Both must be quick; what they raise is logged.

    ``on_failure`` is called with a channel's position after a broadcast of it has failed for
    good. Where ``has_subscribers`` is false, an event is settled without a broadcast.

    ``is_ours`` is given where several nodes share one log: whether this node committed an
    event, and so marks it in the log.
    """

    def __init__(
        self,
        *,
        events: EventLog,
        clock: Clock,
        broadcaster: Broadcaster,
        on_failure: Callable[[Channel, Position], Awaitable[None]],
        has_subscribers: Callable[[Channel], bool] = lambda _channel: True,
        listeners: Sequence[Listener] = (),
        on_deliveries: Callable[[Sequence[Delivery]], None] = lambda _deliveries: None,
        is_ours: Callable[[EventRecord], bool] | None = None,
        settings: RelaySettings | None = None,
        limits: RelayLimits | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.0),  # noqa: S311  # spreads retries, protects nothing
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._events, self._clock = events, clock
        self._on_failure, self._has_subscribers = on_failure, has_subscribers
        self._listeners, self._on_deliveries = listeners, on_deliveries
        self._is_ours = is_ours
        self._settings, self._limits = settings or RelaySettings(), limits or RelayLimits()
        self._sleep = sleep
        self._broadcaster = RetryingBroadcaster(
            broadcaster, self._settings, jitter=jitter, sleep=sleep
        )
        self._queues = ChannelQueues(events, idle_max=self._limits.idle_channels_max)
        self._marks = DeliveryMarks(
            events,
            interval_s=self._limits.flush_interval_s,
            batch_max=self._limits.flush_max,
            kept_max=self._limits.unmarked_max,
        )
        self._tasks = Tasks()
        self._started = self._stopped = False

    # --- lifetime ---

    async def start(self, *, recovers: bool = True) -> None:
        """Begin to broadcast, also what was published before.

        ``recovers``: broadcast first what a crash left pending in the log. Other nodes that
        share the log may be broadcasting it, so pass false if there can be any. Raises what
        ``EventLog.pending`` raises.
        """
        assert not self._started, "a relay starts once"
        page = await self._events.pending(limit=self._limits.page_size) if recovers else ()
        self._started = True
        self._marks.start()
        for record in page:
            self._queues.queue_of(record).add_recovered(record)
        for queue in self._queues:
            self._wake(queue)
        if len(page) == self._limits.page_size:
            self._tasks.start(self._recover_rest())

    async def stop(self) -> None:
        """Let queues drain for a moment, cancel the rest, write what is known.

        Events that were not broadcast stay pending in the log; the next start sends them.
        """
        self._stopped = True
        await self._tasks.finish(self._limits.drain_s)
        await self._marks.stop()

    # --- intake ---

    def publish(self, records: Sequence[EventRecord]) -> None:
        """Take events that this node committed. Never blocks or raises."""
        self._notify_listeners(records)
        if self._stopped:
            return  # the rows stay pending for the next start
        without_audience: list[EventRecord] = []
        for record in records:
            channel = record.channel
            if self._started and not (
                self._has_subscribers(channel) or self._queues.is_followed(channel)
            ):
                without_audience.append(record)
            else:
                self._enqueue(record)
        if without_audience:
            self._record(without_audience, _NO_BROADCAST)

    def receive(self, records: Sequence[EventRecord]) -> None:
        """Take events that another node committed, in any order; that node marks them.

        Only channels that are followed here are queued; caches get all events.
        """
        self._notify_listeners(records)
        for record in records:
            if not self._stopped and self._queues.is_followed(record.channel):
                self._enqueue(record)

    def catch_up(self, heads: Mapping[Channel, Position]) -> int:
        """Read up to the committed heads; returns the number of channels that were behind."""
        behind = 0
        for channel, head in heads.items():
            if not self._stopped and (queue := self._queues.extend(channel, head)):
                behind += 1
                self._wake(queue)
        return behind

    def _enqueue(self, record: EventRecord) -> None:
        queue = self._queues.queue_of(record)
        queue.add(record)
        self._wake(queue)

    def _notify_listeners(self, records: Sequence[EventRecord]) -> None:
        for listener in self._listeners:
            try:
                listener(records)
            except Exception:
                events = [_context(record) for record in records]
                log.exception("relay_listener_failed", events=events)

    # --- positions ---

    async def positions(self, channels: Sequence[Channel]) -> Mapping[Channel, Position]:
        """The positions up to which every event was broadcast or has failed for good.

        A channel of which nothing was published is at its committed head. An event up to that
        head that is published later is still broadcast, for the subscribers that were there
        before. A subscriber that joined at the head has the event already and drops it.
        """
        return await self._queues.positions(channels)

    # --- broadcasts ---

    def _wake(self, queue: ChannelQueue) -> None:
        if not self._started or self._stopped or queue.task is not None or not queue.has_work:
            return
        if not self._has_subscribers(queue.channel):
            self._skip(queue)
        if queue.has_work:
            queue.task = self._tasks.start(self._drain(queue))

    def _skip(self, queue: ChannelQueue) -> None:
        """Settle events of a channel without subscribers. Most channels have none."""
        while records := self._take(queue):
            for record in records:
                queue.settle(record)
            self._record(records, _NO_BROADCAST)

    async def _drain(self, queue: ChannelQueue) -> None:
        """Broadcast what the queue holds, then end; ``_wake`` starts the next task."""
        gap_wait_s = self._limits.gap_wait_s
        try:
            while queue.has_work:
                if records := self._take(queue):
                    await self._broadcast(queue, records)
                elif queue.next_is_in_log or not await queue.next_arrives(gap_wait_s):
                    await self._fill_gap(queue)
        except Exception:
            log.exception("relay_channel_failed", channel=queue.channel)
        finally:
            queue.task = None

    async def _broadcast(self, queue: ChannelQueue, records: Sequence[EventRecord]) -> None:
        async for record, outcome in self._broadcaster.broadcast(records):
            queue.settle(record)
            self._record([record], outcome)
            if outcome.error is not None:
                await self._report_failure(queue)

    def _take(self, queue: ChannelQueue) -> Sequence[EventRecord]:
        return queue.take(self._limits.batch_max, self._limits.batch_bytes_max)

    def _record(self, records: Sequence[EventRecord], outcome: BroadcastOutcome) -> None:
        """Report the outcome, the same of all these events, and mark those of this node."""
        now = self._clock.now()
        deliveries = [_delivery(record, outcome, now) for record in records]
        try:
            self._on_deliveries(deliveries)
        except Exception:
            log.exception("relay_observer_failed", channel=records[0].channel)
        if (is_ours := self._is_ours) is not None:
            own = zip(deliveries, records, strict=True)
            deliveries = [delivery for delivery, record in own if is_ours(record)]
        if deliveries:
            self._marks.add(deliveries)
        if (error := outcome.error) is not None:
            for record in records:
                context = _context(record)
                log.error("broadcast_failed", **context, attempts=outcome.attempts, exc_info=error)

    async def _report_failure(self, queue: ChannelQueue) -> None:
        try:
            async with asyncio.timeout(self._settings.attempt_timeout_s):
                await self._on_failure(queue.channel, queue.position)
        except Exception:  # the position that is sent periodically makes up for it
            log.exception("position_after_failure_failed", channel=queue.channel)

    # --- events that are not in memory ---

    async def _fill_gap(self, queue: ChannelQueue) -> None:
        """Read what was not published here, or was more than memory holds."""
        try:
            records = await self._events.read(
                queue.channel,
                after=queue.next - 1,
                up_to=queue.head,
                limit=self._limits.page_size,
                max_bytes=_GAP_BYTES_MAX,
            )
        except Exception:
            if queue.failed_reads == 0:
                log.exception("relay_gap_unreadable", channel=queue.channel, offset=queue.next)
            queue.failed_reads += 1
            if queue.failed_reads < self._limits.gap_reads_max:
                await self._sleep(self._limits.gap_wait_s)
                return
            records = ()
        queue.failed_reads = 0
        self._notify_listeners(records)  # of other nodes' commits, and of those without an answer
        if not queue.fill_gap(records):
            log.error("relay_gap_skipped", channel=queue.channel, resumed_at=queue.next)
            await self._report_failure(queue)

    async def _recover_rest(self) -> None:
        """Broadcast the pending events after the first page, each page once the last is marked."""
        size = self._limits.page_size
        seen: set[tuple[Channel, Position]] = set()
        while True:
            busy = [queue.task for queue in self._queues if queue.task is not None]
            if busy:
                await asyncio.wait(busy)
            await self._marks.flush()
            page = await self._events.pending(limit=size)
            fresh = [record for record in page if (record.channel, record.position) not in seen]
            for record in fresh:
                queue = self._queues.queue_of(record)
                queue.add_recovered(record)
                self._wake(queue)
            if len(page) < size or not fresh:
                return
            seen = {(record.channel, record.position) for record in page}


def _delivery(record: EventRecord, outcome: BroadcastOutcome, now: datetime) -> Delivery:
    error = outcome.error
    return Delivery(
        channel=record.channel,
        position=record.position,
        sent=error is None,
        at=now,
        latency_ms=max(0.0, (now - record.time).total_seconds() * 1_000),
        attempts=outcome.attempts,
        recipients=outcome.recipients,
        error=f"{type(error).__name__}: {error}"[:500] if error else None,
        problem=outcome.problem,
    )


def _context(record: EventRecord) -> dict[str, str | int]:
    """The fields of a log line about an event: everything but its content."""
    return {
        "event_id": record.event_id,
        "channel": record.channel,
        "epoch": record.position.epoch,
        "offset": record.position.offset,
        "type": record.type,
    }
