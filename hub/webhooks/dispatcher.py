"""Dispatches committed events to webhooks, in channel order, at least once.

The progress of each webhook in each channel is a row of the database; memory holds copies. A
commit wakes the feeds that it concerns, and the clock wakes the feeds that wait for their next
attempt. Each feed has at most one short-lived task, so n + 1 waits for n. After a crash, only
the events that were under way are delivered again.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

import structlog

from actors.domain.refusals import Unavailable
from actors.domain.webhook import DisabledReason, Webhook, WebhookId, WebhookStatus
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog, EventRecord
from actors.ports.webhooks import Attempt, Target, WebhookQueue
from actors.tasks import Tasks
from hub.telemetry.metrics import Metrics
from hub.webhooks.active import ActiveWebhook, ActiveWebhooks, Feed
from hub.webhooks.delivery import Deliverer, NextStep, WebhookRights
from hub.webhooks.messages import notice_message
from hub.webhooks.sender import Sender, host_and_port
from hub.webhooks.settings import WebhookSettings

log = structlog.get_logger(__name__)

_PAGE: Final = 200
_PING_S: Final = 15.0
"""Bound of a test event, with its wait for a free request."""
_STORE_RETRY_S: Final = 2.0
"""Wait after the database did not answer."""
_LAPSE_CHECK_S: Final = 10.0
"""How often webhooks without events are checked for their end."""
_POLL_S: Final = 0.5
"""How often the clock is read: it may have been set."""


class Dispatcher:
    """Runs a task for each feed with undelivered events; to be closed in the end.

    Implements :class:`actors.ports.webhooks.WebhookDispatcher`.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        queue: WebhookQueue,
        events: EventLog,
        rights: WebhookRights,
        clock: Clock,
        new_id: NewId,
        metrics: Metrics,
    ) -> None:
        self._queue, self._events, self._clock, self._new_id = queue, events, clock, new_id
        self._rights = rights
        self._sender = Sender(settings)
        self._deliverer = Deliverer(
            settings=settings,
            queue=queue,
            events=events,
            send=self._sender.send,
            rights=rights,
            clock=clock,
            new_id=new_id,
            metrics=metrics,
        )
        self._total = asyncio.Semaphore(settings.concurrency)
        self._per_receiver = settings.concurrency_per_target
        self._of_receiver: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._active = ActiveWebhooks()
        self._tasks = Tasks()
        self._running: dict[Feed, bool] = {}
        """Feeds with a task, and whether each was woken again since the task began."""
        self._retry_at: dict[Feed, datetime] = {}
        self._changed: set[WebhookId] = set()
        self._loaded: set[WebhookId] = set()
        """Webhooks that were loaded, but not compared with the heads of their channels yet."""
        self._lapses_checked_at_s = -math.inf
        self._wakeup = asyncio.Event()
        self._stopping = False

    async def close(self) -> None:
        await self._sender.close()

    def __len__(self) -> int:
        return len(self._active)

    @property
    def failing(self) -> int:
        """The number of feeds that wait for their next attempt."""
        return sum(progress.attempts > 0 for _, progress in self._active.feeds)

    def on_events(self, records: Sequence[EventRecord]) -> None:
        """A listener of the relay: wakes the feeds of the events' channels."""
        if not self._active:
            return
        for record in records:
            for webhook_id in self._active.subscribed_to(record.channel):
                self._wake((webhook_id, record.channel))

    def changed(self, webhook_id: WebhookId) -> None:
        self._changed.add(webhook_id)
        self._wakeup.set()

    def recheck(self) -> None:
        """Ends the webhooks that must end, soon; to be called when keys were removed."""
        self._lapses_checked_at_s = -math.inf
        self._wakeup.set()

    async def check(self, url: str) -> None:
        await self._sender.check(url)

    async def ping(self, target: Target) -> Attempt:
        now, webhook = self._clock.now(), target.view.webhook
        message = notice_message(webhook, self._new_id(), "webhook.ping", now)
        try:
            async with asyncio.timeout(_PING_S), self._request(webhook):
                return await self._sender.send(target, message, now)
        except TimeoutError:
            return Attempt(status=None, duration_ms=_PING_S * 1_000, error="the receiver is busy")

    @asynccontextmanager
    async def _request(self, webhook: Webhook) -> AsyncIterator[None]:
        """One of the requests that may be under way at once, in total and to this receiver.

        Waits for the receiver's own limit first, so a slow receiver delays no others.
        """
        receiver = host_and_port(webhook.url)
        limit = self._of_receiver.setdefault(receiver, asyncio.Semaphore(self._per_receiver))
        async with limit, self._total:
            yield

    # --- the main loop -----------------------------------------------------------------

    async def run(
        self,
        is_ours: Callable[[WebhookId], bool] = lambda _: True,
        *,
        sync_every_s: float = math.inf,
    ) -> None:
        """Delivers until cancelled; then no task is left.

        Where several processes deliver, each delivers the webhooks that are ``is_ours``, and
        reads every ``sync_every_s`` seconds which these are. For a moment two processes may
        deliver the same webhook: an event is then sent twice, but progress moves once.
        """
        synced_at_s = -math.inf
        try:
            while True:
                if self._clock.monotonic() - synced_at_s >= sync_every_s:
                    await self._until_done(partial(self._sync, is_ours))
                    synced_at_s = self._clock.monotonic()
                changed, self._changed = self._changed, set()
                for webhook_id in changed:
                    await self._until_done(partial(self._reload, webhook_id, is_ours))
                if self._clock.monotonic() - self._lapses_checked_at_s >= _LAPSE_CHECK_S:
                    self._lapses_checked_at_s = self._clock.monotonic()
                    await self._end_lapsed()
                self._wake_due()
                self._wakeup.clear()
                if not self._changed:
                    await self._wait()
        finally:
            self._stopping = True
            await self._tasks.finish()

    async def _wait(self) -> None:
        """Until a webhook changes, an attempt is due, or the clock is to be read."""
        soonest = min(self._retry_at.values(), default=None)
        wait_s = (soonest - self._clock.now()).total_seconds() if soonest else math.inf
        try:
            async with asyncio.timeout(max(0.0, min(wait_s, _POLL_S))):
                await self._wakeup.wait()
        except TimeoutError:
            pass

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                return
            except Exception:  # e.g. the database does not answer: retry until it does
                log.exception("webhooks_unread")
                await asyncio.sleep(_STORE_RETRY_S)

    async def _sync(self, is_ours: Callable[[WebhookId], bool]) -> None:
        """Loads this process's active webhooks, and wakes new ones that are behind."""
        ours: set[WebhookId] = set()
        async for target in self._load_active():
            webhook_id = target.view.webhook.id
            if is_ours(webhook_id):
                ours.add(webhook_id)
                if self._active.is_newer(target):
                    self._active.put(target)
                    self._loaded.add(webhook_id)
        for webhook_id in self._active.ids - ours - self._changed:
            self._active.drop(webhook_id)
        if self._loaded:
            await self._wake_behind(self._loaded)
            self._loaded.clear()

    async def _load_active(self) -> AsyncIterator[Target]:
        after: WebhookId | None = None
        while True:
            page = await self._queue.active(after=after, limit=_PAGE, now=self._clock.now())
            for target in page:
                yield target
            if len(page) < _PAGE:
                return
            after = page[-1].view.webhook.id

    async def _wake_behind(self, webhook_ids: Collection[WebhookId]) -> None:
        heads = await self._events.heads(self._active.channels)
        for feed, progress in list(self._active.feeds):
            head = heads.get(progress.channel)
            is_behind = head and head != progress.position
            if is_behind and feed[0] in webhook_ids:
                self._wake(feed)

    async def _reload(self, webhook_id: WebhookId, is_ours: Callable[[WebhookId], bool]) -> None:
        target = None
        if is_ours(webhook_id):
            target = await self._queue.target(webhook_id, self._clock.now())
        for feed in [feed for feed in self._retry_at if feed[0] == webhook_id]:
            del self._retry_at[feed]  # the time in the database may be earlier now
        if target is None or target.view.webhook.status is not WebhookStatus.ACTIVE:
            self._active.drop(webhook_id)
            return
        for channel in self._active.put(target).progress:
            self._wake((webhook_id, channel))

    async def _end_lapsed(self) -> None:
        """Ends the webhooks whose time is over, or whose key is gone."""
        try:
            for active in self._active.all:
                if reason := await self._rights.lapsed(active.webhook):
                    self._active.drop(active.webhook.id)
                    self._tasks.start(self._end(active, reason))
        except Unavailable:
            log.warning("webhook_keys_unknown")

    async def _end(self, active: ActiveWebhook, reason: DisabledReason) -> None:
        try:
            async with self._request(active.webhook):
                await self._deliverer.disable(active, reason)
        finally:
            self.changed(active.webhook.id)  # it may have been renewed meanwhile, or not be stored

    # --- the tasks of feeds ------------------------------------------------------------

    def _wake(self, feed: Feed) -> None:
        if feed in self._running:
            self._running[feed] = True
            return
        webhook_id, channel = feed
        active = self._active.get(webhook_id)
        retry_at = self._retry_at.pop(feed, None)
        if active is None or channel not in active.progress:
            return
        due = retry_at or active.progress[channel].next_attempt_at
        if due is not None and due > self._clock.now():
            self._retry_at[feed] = due
            return
        self._running[feed] = False
        self._tasks.start(self._deliver(feed))

    def _wake_due(self) -> None:
        now = self._clock.now()
        for feed in [feed for feed, due in self._retry_at.items() if due <= now]:
            self._wake(feed)

    async def _deliver(self, feed: Feed) -> None:
        try:
            while await self._deliver_batch(feed) is NextStep.CONTINUE:
                pass
        except Unavailable:
            log.warning("webhook_keys_unknown", webhook_id=feed[0])
            self._retry_at[feed] = self._clock.now() + timedelta(seconds=_STORE_RETRY_S)
        except Exception:  # e.g. the database does not answer: retry until it does
            log.exception("webhook_undeliverable", webhook_id=feed[0])
            self._retry_at[feed] = self._clock.now() + timedelta(seconds=_STORE_RETRY_S)
        finally:
            if self._running.pop(feed) and not self._stopping:
                self._wake(feed)

    async def _deliver_batch(self, feed: Feed) -> NextStep:
        """Releases the limits after each batch, so that other feeds proceed."""
        webhook_id, channel = feed
        active = self._active.get(webhook_id)
        if active is None or channel not in active.progress:
            return NextStep.WAIT_FOR_EVENTS
        async with self._request(active.webhook):
            if not self._active.is_current(active):
                return NextStep.CONTINUE  # it changed while it waited for the limits
            step = await self._deliverer.deliver_batch(active, channel, self._active.is_current)
        if step is NextStep.RETRY_LATER and self._active.is_current(active):
            due = active.progress[channel].next_attempt_at
            assert due is not None, "a failed attempt sets it"
            self._retry_at[feed] = due
            self._wakeup.set()
        elif step is NextStep.RELOAD:
            self.changed(webhook_id)
        return step
