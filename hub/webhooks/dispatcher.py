"""From the event log to receivers: per channel in order, at least once, never by the way.

The place of each webhook in each of its channels is a row of the database; what is in memory
is only a convenience. A commit wakes the places it concerns, the clock those that wait for
their next attempt. Each place has at most one short-lived task: n + 1 waits for n. A process
that is killed delivers again, at most, what was under way.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from actors.domain.webhook import WebhookId, WebhookStatus
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog, EventRecord
from actors.ports.webhooks import Attempt, Target, WebhookQueue
from hub.webhooks.active import Known, KnownWebhooks, Place
from hub.webhooks.concurrency import Slots
from hub.webhooks.delivery import Deliverer, Next
from hub.webhooks.messages import notice_message
from hub.webhooks.sender import Sender, target_of

log = structlog.get_logger(__name__)

_PAGE: Final = 200
_PING_S: Final = 15.0
"""For a test event, its wait for a place behind others included."""
_AFTER_FAILURE_S: Final = 2.0
"""When the database is asked again after it did not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DispatcherSettings:
    concurrency: int = 50
    """Requests under way at once."""
    concurrency_per_target: int = 4
    poll_s: float = 0.5
    """How often the clock is looked at."""


class Dispatcher:
    """Implements :class:`actors.ports.webhooks.Courier`."""

    def __init__(
        self,
        *,
        queue: WebhookQueue,
        events: EventLog,
        sender: Sender,
        deliverer: Deliverer,
        clock: Clock,
        new_id: NewId,
        settings: DispatcherSettings,
    ) -> None:
        self._queue, self._events, self._sender = queue, events, sender
        self._deliverer, self._clock, self._new_id = deliverer, clock, new_id
        self._settings = settings
        self._slots = Slots(settings.concurrency, settings.concurrency_per_target)
        self._known = KnownWebhooks()
        self._running: dict[Place, asyncio.Task[None]] = {}
        self._again: set[Place] = set()
        """Woken while their task ran."""
        self._waiting: dict[Place, datetime] = {}
        """When what failed is tried again."""
        self._changed: set[WebhookId] = set()
        self._look = asyncio.Event()
        self._stopping = False
        self._is_mine: Callable[[WebhookId], bool] = lambda _: True
        self._sync_s = math.inf
        self._synced_at = -math.inf

    def __len__(self) -> int:
        return len(self._known)

    @property
    def failing(self) -> int:
        """Places that wait for their next attempt."""
        return sum(place.attempts > 0 for _, place in self._known.places)

    def share(self, is_mine: Callable[[WebhookId], bool], *, sync_s: float) -> None:
        """Before ``run``, where several processes deliver: each what is its own, and looks
        every ``sync_s`` seconds what that is.

        They change hands without a word. For a moment two may believe the same one theirs:
        then an event is sent twice, but the place of each webhook moves only once.
        """
        self._is_mine, self._sync_s = is_mine, sync_s

    # --- what others tell it -----------------------------------------------------------

    def announced(self, record: EventRecord) -> None:
        """A listener of the relay: called with every event once it was committed."""
        for webhook_id in self._known.listening(record.channel):
            self._wake((webhook_id, record.channel))

    def changed(self, webhook_id: WebhookId) -> None:
        self._changed.add(webhook_id)
        self._look.set()

    async def check(self, url: str) -> None:
        await self._sender.check(url)

    async def ping(self, target: Target) -> Attempt:
        now, webhook = self._clock.now(), target.view.webhook
        message = notice_message(webhook, self._new_id(), "webhook.ping", now)
        try:
            async with asyncio.timeout(_PING_S), self._slots.one(target_of(webhook.url)):
                return await self._sender.send(target, message, now)
        except TimeoutError:
            return Attempt(status=None, duration_ms=_PING_S * 1_000, error="the receiver is busy")

    # --- all the time ------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; then no task is left."""
        try:
            while True:
                if self._clock.monotonic() - self._synced_at >= self._sync_s:
                    await self._persistently(self._sync)
                changed, self._changed = self._changed, set()
                for webhook_id in changed:
                    await self._persistently(partial(self._reload, webhook_id))
                self._wake_due()
                self._look.clear()
                if not self._changed:
                    await self._wait()
        finally:
            await self._stop()

    async def _wait(self) -> None:
        """Until something changed, the next attempt is due, or the clock may have been set."""
        soonest = min(self._waiting.values(), default=None)
        left_s = (soonest - self._clock.now()).total_seconds() if soonest else float("inf")
        try:
            async with asyncio.timeout(max(0.0, min(left_s, self._settings.poll_s))):
                await self._look.wait()
        except TimeoutError:
            pass

    async def _stop(self) -> None:
        self._stopping = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _persistently(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                return
            except Exception:  # e.g. the database is away; it comes back
                log.exception("webhooks_unread")
                await asyncio.sleep(_AFTER_FAILURE_S)

    async def _sync(self) -> None:
        """Know what is active and one's own; what was behind, or is new here, begins."""
        news: set[WebhookId] = set()
        mine: set[WebhookId] = set()
        async for target in self._active():
            webhook_id = target.view.webhook.id
            if self._is_mine(webhook_id):
                mine.add(webhook_id)
                if self._known.is_news(target):
                    self._known.put(target)
                    news.add(webhook_id)
        for webhook_id in self._known.ids - mine - self._changed:
            self._known.drop(webhook_id)
        self._synced_at = self._clock.monotonic()
        if news:
            await self._wake_behind(news)

    async def _active(self) -> AsyncIterator[Target]:
        after: WebhookId | None = None
        while True:
            page = await self._queue.active(after=after, limit=_PAGE, now=self._clock.now())
            for target in page:
                yield target
            if len(page) < _PAGE:
                return
            after = page[-1].view.webhook.id

    async def _wake_behind(self, news: Collection[WebhookId]) -> None:
        heads = await self._events.heads(self._known.channels)
        for place, progress in list(self._known.places):
            head = heads.get(progress.channel)
            is_behind = head and head != progress.position
            if is_behind and place[0] in news:
                self._wake(place)

    async def _reload(self, webhook_id: WebhookId) -> None:
        target = None
        if self._is_mine(webhook_id):
            target = await self._queue.target(webhook_id, self._clock.now())
        for place in [place for place in self._waiting if place[0] == webhook_id]:
            del self._waiting[place]  # what is waited for is a row, too, and may be due now
        if target is None or target.view.webhook.status is not WebhookStatus.ACTIVE:
            self._known.drop(webhook_id)
            return
        known = self._known.put(target)
        for channel in known.progress:
            self._wake((webhook_id, channel))

    # --- waking and serving ------------------------------------------------------------

    def _wake(self, place: Place) -> None:
        if place in self._running:
            self._again.add(place)
            return
        webhook_id, channel = place
        known = self._known.get(webhook_id)
        if known is None or channel not in known.progress:
            self._waiting.pop(place, None)
            return
        due = self._waiting.get(place) or known.progress[channel].next_attempt_at
        if due is not None and due > self._clock.now():
            self._waiting[place] = due
            return
        self._waiting.pop(place, None)
        task = self._running[place] = asyncio.create_task(self._serve(place))
        task.add_done_callback(lambda _: self._served(place))

    def _wake_due(self) -> None:
        now = self._clock.now()
        for place in [place for place, when in self._waiting.items() if when <= now]:
            self._wake(place)

    async def _serve(self, place: Place) -> None:
        try:
            while await self._part(place) is Next.MORE:
                pass
        except Exception:  # e.g. the database is away
            log.exception("webhook_undeliverable", webhook_id=place[0])
            later = timedelta(seconds=_AFTER_FAILURE_S)
            self._waiting[place] = self._clock.now() + later

    async def _part(self, place: Place) -> Next:
        """Some deliveries, then others get their turn."""
        webhook_id, channel = place
        known = self._known.get(webhook_id)
        if known is None or channel not in known.progress:
            return Next.DONE
        async with self._slots.one(target_of(known.webhook.url)):
            if self._known.get(webhook_id) is not known:
                return Next.MORE  # changed while it waited for its turn
            result = await self._deliverer.some(known, channel, self._is_current)
        if result is Next.WAIT and self._is_current(known):
            due = known.progress[channel].next_attempt_at
            assert due is not None, "it failed, so it is tried again"
            self._waiting[place] = due
            self._look.set()
        elif result is Next.MOVED:
            self.changed(webhook_id)
        return result

    def _is_current(self, known: Known) -> bool:
        return self._known.get(known.webhook.id) is known

    def _served(self, place: Place) -> None:
        del self._running[place]
        if place in self._again:
            self._again.discard(place)
            if not self._stopping:
                self._wake(place)
