"""The relay: from committed events to the rooms, in channel order, whatever fails (DESIGN §6).

Each channel has its own *lane*. A lane with something to send has one short-lived task;
no lane ever waits for another. Within a lane, offset n + 1 waits until n was sent or has
failed for good. What the relay holds in memory is only a convenience: every event is a
committed row, so whatever is dropped, missed or left behind by a crash is read again.
"""

import asyncio
import random
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.clock import Clock
from actors.ports.events import Broadcaster, Delivery, EventLog, EventRecord
from actors.relay.channel_queue import Lane
from actors.relay.marks import Marks
from actors.relay.retries import Attempts, RelayStats, Sleep, Tried
from actors.relay.settings import RelayLimits, RelaySettings

log = structlog.get_logger(__name__)

Listener = Callable[[EventRecord], None]
OnFailure = Callable[[Channel, Position], Awaitable[None]]
IsHeard = Callable[[Channel], bool]


class Relay:
    """Takes committed events (:class:`actors.ports.events.Outbox`) and broadcasts them.

    ``listeners`` are called with every event at once, before any broadcast, so that
    caches forget what is no longer true (criterion 10.5); ``on_delivery`` with what became
    of each broadcast. Both must be quick and synchronous. ``is_ours`` says of which events
    that is written down here; without it, of all. Events announced before ``start`` wait
    for it.
    """

    def __init__(
        self,
        *,
        events: EventLog,
        clock: Clock,
        listeners: Sequence[Listener] = (),
        on_delivery: Callable[[Delivery], None] | None = None,
        is_ours: Callable[[EventRecord], bool] | None = None,
        settings: RelaySettings | None = None,
        limits: RelayLimits | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.0),  # noqa: S311  # spreads retries, hides nothing
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._events, self._clock = events, clock
        self._listeners, self._on_delivery = list(listeners), on_delivery
        self._is_ours = is_ours
        self._settings, self._limits = settings or RelaySettings(), limits or RelayLimits()
        self._jitter, self._sleep = jitter, sleep
        self._lanes: OrderedDict[Channel, Lane] = OrderedDict()
        self._marks = Marks(
            events,
            interval_s=self._limits.flush_interval_s,
            batch_max=self._limits.flush_max,
            kept_max=self._limits.unmarked_max,
        )
        self._attempts: Attempts | None = None
        self._on_failure: OnFailure | None = None
        self._is_heard: IsHeard | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._asking: Counter[Channel] = Counter()
        self.stats = RelayStats()

    # --- lifetime ---

    async def start(
        self,
        broadcaster: Broadcaster,
        on_failure: OnFailure | None = None,
        *,
        is_heard: IsHeard | None = None,
        alone: bool = True,
    ) -> None:
        """Begin to broadcast; first of all, if ``alone``, what a crash left pending. Where
        others share the log, it may be on its way with them.

        ``on_failure`` is called with the channel's position after a broadcast was given
        up, so that subscribers can be told; ``is_heard`` says whether anybody is in a
        channel now, so that no broadcast is begun where nobody is. Raises what
        ``EventLog.pending`` raises.
        """
        assert self._attempts is None, "a relay starts once"
        page = await self._events.pending(limit=self._limits.page_size) if alone else ()
        self._on_failure, self._is_heard = on_failure, is_heard
        self._attempts = Attempts(
            broadcaster,
            self._settings,
            self.stats,
            jitter=self._jitter,
            sleep=self._sleep,
        )
        self._marks.start()
        for record in page:
            self._lane(record).offer_left_behind(record)
        for lane in list(self._lanes.values()):
            self._wake(lane)
        if len(page) == self._limits.page_size:
            self._own(self._send_left_behind())

    async def stop(self) -> None:
        """Let lanes finish for a moment, cancel the rest, write what is known.

        What was not sent stays pending in the log and goes out at the next start.
        """
        self._stopped = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._limits.drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._marks.stop()

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- taking events ---

    def listen(self, listener: Listener) -> None:
        """One more listener, behind those it was made with."""
        self._listeners.append(listener)

    def announce(self, records: Sequence[EventRecord]) -> None:
        """Take committed events; from the event loop's thread. Never blocks or raises."""
        for record in records:
            self.stats.announced += 1
            self._tell_listeners(record)
            if self._stopped:
                continue  # the row stays pending: the next start sends it
            lane = self._lane(record)
            lane.offer(record)
            self._wake(lane)

    def hear(self, records: Sequence[EventRecord]) -> None:
        """Take events that another node committed, in any order; who marks them is there.

        Of a channel that nobody here asked about, no more is kept than the caches need.
        """
        for record in records:
            self._tell_listeners(record)
            known = self._lanes.get(record.channel)
            if self._stopped or (known is None and not self._asking[record.channel]):
                continue
            lane = self._lane(record)
            lane.offer(record)
            self._wake(lane)

    def catch_up(self, heads: Mapping[Channel, Position]) -> int:
        """Read up to the committed heads where less was announced; returns how many lanes."""
        behind = 0
        for channel, head in heads.items():
            lane = self._lanes.get(channel)
            if lane is None or self._stopped:
                continue
            if head.epoch > lane.epoch:
                self._remember(Lane(channel, head.epoch, released=head.offset))
            elif head.epoch == lane.epoch and lane.learn(head.offset):
                behind += 1
                self._wake(lane)
        return behind

    def _tell_listeners(self, record: EventRecord) -> None:
        for listener in self._listeners:
            try:
                listener(record)
            except Exception:
                log.exception("relay_listener_failed", **_context(record))

    def _lane(self, record: EventRecord) -> Lane:
        lane = self._lanes.get(record.channel)
        if lane is not None and record.position.epoch <= lane.epoch:
            return lane
        fresh = Lane(record.channel, record.position.epoch, released=record.position.offset - 1)
        if lane is not None:
            fresh.take_over(lane)
        self._remember(fresh)
        return fresh

    def _remember(self, lane: Lane) -> None:
        self._lanes[lane.channel] = lane
        self._lanes.move_to_end(lane.channel)
        surplus = len(self._lanes) - self._limits.idle_lanes_max
        if surplus > 0:
            idle = (name for name, old in self._lanes.items() if old.is_idle and old is not lane)
            for name in [name for _, name in zip(range(surplus), idle, strict=False)]:
                del self._lanes[name]

    # --- positions ---

    async def released(self, channel: Channel) -> Position:
        """The position up to which everything was sent or has failed for good."""
        return (await self.positions([channel]))[channel]

    async def positions(self, channels: Sequence[Channel]) -> Mapping[Channel, Position]:
        """``released`` of many channels at once.

        A channel that nothing was announced for is at its committed head. An event up to
        there that is announced later was committed before that read; it still goes to the
        room, where whoever joined at this head has it already and whoever was there
        before gets it.
        """
        found: dict[Channel, Position] = {}
        unknown = [channel for channel in channels if channel not in self._lanes]
        self._asking.update(unknown)
        try:
            heads = await self._events.heads(unknown) if unknown else {}
        finally:
            self._asking.subtract(unknown)
            self._asking = +self._asking
        for channel in channels:
            lane = self._lanes.get(channel)
            if lane is None:
                head = heads.get(channel) or await self._head(channel)
                lane = self._lanes.get(channel)
                if lane is None:
                    lane = Lane(channel, head.epoch, released=head.offset)
            self._remember(lane)
            found[channel] = lane.position
        return found

    async def _head(self, channel: Channel) -> Position:
        """For a lane that was known when asked and forgotten while waiting for others."""
        return (await self._events.heads([channel]))[channel]

    # --- sending ---

    def _wake(self, lane: Lane) -> None:
        if self._attempts is None or self._stopped or not lane.has_work:
            return
        if lane.task is None:
            self._send_to_nobody(lane)
            if lane.has_work:
                lane.task = self._own(self._run(lane))

    def _send_to_nobody(self, lane: Lane) -> None:
        """Most channels have nobody in them most of the time: no task is made for them."""
        if self._is_heard is None or self._is_heard(lane.channel):
            return
        limits = self._limits
        while records := lane.take(limits.batch_max, limits.batch_bytes_max):
            for record in records:
                lane.done(record)
                self._settle(record, Tried(attempts=1))

    async def _run(self, lane: Lane) -> None:
        """Send what the lane has, then end; the next announcement starts a new task."""
        assert self._attempts is not None
        try:
            limits = self._limits
            while lane.has_work:
                if records := lane.take(limits.batch_max, limits.batch_bytes_max):
                    await self._deliver(lane, records)
                elif lane.shed or not await lane.arrives(self._limits.gap_wait_s):
                    await self._fill_gap(lane)
        except Exception:
            log.exception("relay_lane_failed", channel=lane.channel)
        finally:
            lane.task = None

    async def _deliver(self, lane: Lane, records: Sequence[EventRecord]) -> None:
        """Events that had to wait go out together; if that fails, one after the other."""
        assert self._attempts is not None
        async for record, tried in self._attempts.of(records):
            lane.done(record)
            self._settle(record, tried)
            if tried.error is not None:
                await self._tell_failure(lane)

    def _settle(self, record: EventRecord, tried: Tried) -> None:
        """Write down what became of an event."""
        now, error = self._clock.now(), tried.error
        delivery = Delivery(
            channel=record.channel,
            position=record.position,
            sent=error is None,
            at=now,
            latency_ms=max(0.0, (now - record.time).total_seconds() * 1_000),
            attempts=tried.attempts,
            recipients=tried.recipients,
            error=f"{type(error).__name__}: {error}"[:500] if error else None,
            problem=tried.problem,
        )
        self._account(delivery)
        if self._is_ours is None or self._is_ours(record):
            self._marks.add(delivery)
        if error is not None:
            log.error(
                "broadcast_failed", **_context(record), attempts=tried.attempts, exc_info=error
            )

    def _account(self, delivery: Delivery) -> None:
        self.stats.recipients += delivery.recipients
        if delivery.sent:
            self.stats.sent += 1
        else:
            self.stats.failed += 1
        if self._on_delivery is not None:
            try:
                self._on_delivery(delivery)
            except Exception:
                log.exception("relay_observer_failed", channel=delivery.channel)

    async def _tell_failure(self, lane: Lane) -> None:
        if self._on_failure is None:
            return
        try:
            async with asyncio.timeout(self._settings.attempt_timeout_s):
                await self._on_failure(lane.channel, lane.position)
        except Exception:  # the periodic position tells them, too
            log.exception("position_after_failure_failed", channel=lane.channel)

    # --- what memory does not have ---

    async def _fill_gap(self, lane: Lane) -> None:
        """Read what was never announced, or was more than memory holds."""
        self.stats.gaps += 1
        try:
            records = await self._events.read(
                lane.channel,
                after=lane.next - 1,
                up_to=lane.head,
                limit=self._limits.page_size,
                max_bytes=1_000_000,
            )
        except Exception:
            if lane.gap_reads == 0:
                log.exception("relay_gap_unreadable", channel=lane.channel, offset=lane.next)
            lane.gap_reads += 1
            if lane.gap_reads < self._limits.gap_reads_max:
                await self._sleep(self._limits.gap_wait_s)
                return
            records = ()
        lane.gap_reads = 0
        if self._is_ours is not None:  # others committed some of them, and nobody told us
            for record in records:
                self._tell_listeners(record)
        if not lane.fill(records):
            log.error("relay_gap_skipped", channel=lane.channel, resumed_at=lane.next)
            await self._tell_failure(lane)

    async def _send_left_behind(self) -> None:
        """Page on through what a crash left, each page after the one before was marked."""
        size = self._limits.page_size
        seen: set[tuple[Channel, Position]] = set()
        while True:
            busy = [lane.task for lane in self._lanes.values() if lane.task is not None]
            if busy:
                await asyncio.wait(busy)
            await self._marks.flush()
            page = await self._events.pending(limit=size)
            fresh = [r for r in page if (r.channel, r.position) not in seen]
            for record in fresh:
                lane = self._lane(record)
                lane.offer_left_behind(record)
                self._wake(lane)
            if len(page) < size or not fresh:
                return
            seen = {(r.channel, r.position) for r in page}


def _context(record: EventRecord) -> dict[str, Any]:
    """What a log line says of an event: everything but its content."""
    return {
        "event_id": record.event_id,
        "channel": record.channel,
        "epoch": record.position.epoch,
        "offset": record.position.offset,
        "type": record.type,
    }
