"""Delivers the events of one feed (a channel of a webhook), batch by batch."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from http import HTTPStatus
from typing import Final, Protocol

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.webhook import DeliveryProgress, DisabledReason, Webhook
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog, EventRecord
from actors.ports.webhooks import Attempt, Target, WebhookDelivery, WebhookQueue
from hub.telemetry.metrics import Metrics
from hub.webhooks.active import ActiveWebhook
from hub.webhooks.messages import WebhookMessage, event_message, notice_message, reset_message
from hub.webhooks.sender import host_and_port
from hub.webhooks.settings import WebhookSettings

log = structlog.get_logger(__name__)

_EVENTS_MAX: Final = 20
_BYTES_MAX: Final = 256 * 1024


class WebhookRights(Protocol):
    """Why a webhook must end; ``None`` if it may go on.

    Raises Unavailable while the keys that tokens are verified with are not known.
    """

    async def lapsed(self, webhook: Webhook) -> DisabledReason | None:
        """Whether or not there are events for it."""
        ...

    async def ended(self, webhook: Webhook, channel: Channel) -> DisabledReason | None:
        """Before an event of the channel is delivered."""
        ...


SendAttempt = Callable[[Target, WebhookMessage, datetime], Awaitable[Attempt]]
"""Makes one attempt; failures of the receiver or the network are in the result."""


class NextStep(Enum):
    """What the dispatcher does next with a feed."""

    WAIT_FOR_EVENTS = "every event was delivered"
    CONTINUE = "more events may follow"
    RETRY_LATER = "the next attempt has a time"
    RELOAD = "the webhook has changed in the database"


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliverer:
    """For each event: checks the owner's rights, sends it, records the result."""

    settings: WebhookSettings
    queue: WebhookQueue
    events: EventLog
    send: SendAttempt
    rights: WebhookRights
    clock: Clock
    new_id: NewId
    metrics: Metrics
    jitter: Callable[[], float] = random.random

    async def deliver_batch(
        self, active: ActiveWebhook, channel: Channel, is_current: Callable[[ActiveWebhook], bool]
    ) -> NextStep:
        """Delivers the next events of the channel, as long as ``active`` is current.

        Raises StoreUnavailable; the last event may then be delivered again. Raises
        Unavailable while the keys that tokens are verified with are not known.
        """
        before = active.progress[channel]
        owner = active.webhook.owner
        # The head is read first: later reads see everything before it, or it was deleted.
        head = (await self.events.heads([channel], owner))[channel]
        if head == before.position:
            return NextStep.WAIT_FOR_EVENTS
        records = await self.events.read(
            channel,
            after=before.position.offset,
            up_to=head.offset,
            limit=_EVENTS_MAX,
            max_bytes=_BYTES_MAX,
            by=owner,
        )
        if not (records and _follows(records[0], before)):
            message = reset_message(active.webhook, before, head, self.clock.now())
            return await self._deliver(active, before, head, message)
        for record in records:
            if not is_current(active) or not _follows(record, active.progress[channel]):
                return NextStep.CONTINUE
            message = event_message(record)
            step = await self._deliver(active, active.progress[channel], record.position, message)
            if step is not NextStep.CONTINUE:
                return step
        return NextStep.CONTINUE

    async def _deliver(
        self,
        active: ActiveWebhook,
        before: DeliveryProgress,
        to: Position,
        message: WebhookMessage,
    ) -> NextStep:
        if reason := await self.rights.ended(active.webhook, before.channel):
            return await self.disable(active, reason)
        attempt = await self.send(active.target, message, self.clock.now())
        now = self.clock.now()
        if attempt.delivered:
            after = DeliveryProgress(channel=before.channel, position=to, moves=before.moves + 1)
        else:
            after = self._after_failure(before, attempt, now)
        self._report(active, message, before, attempt)
        delivery = _delivery(before, to, message, attempt, now)
        if not await self.queue.record(active.webhook.id, before, after, delivery):
            return NextStep.RELOAD
        active.progress[before.channel] = after
        if attempt.delivered:
            return NextStep.CONTINUE
        if attempt.status == HTTPStatus.GONE:
            return await self.disable(active, DisabledReason.GONE)
        assert after.failing_since is not None, "a failed attempt sets it"
        if now - after.failing_since >= timedelta(hours=self.settings.give_up_after_hours):
            return await self.disable(active, DisabledReason.FAILING)
        return NextStep.RETRY_LATER

    def _after_failure(
        self, before: DeliveryProgress, attempt: Attempt, now: datetime
    ) -> DeliveryProgress:
        backoff_s = self.settings.retry_wait_s(before.attempts + 1, self.jitter())
        asked_s = min(attempt.retry_after_s or 0, self.settings.retry_longest_s)
        return replace(
            before,
            attempts=before.attempts + 1,
            failing_since=before.failing_since or now,
            next_attempt_at=now + timedelta(seconds=max(backoff_s, asked_s)),
            moves=before.moves + 1,
        )

    async def disable(self, active: ActiveWebhook, reason: DisabledReason) -> NextStep:
        """Disables the webhook, and sends a notice of it to the receiver."""
        now = self.clock.now()
        webhook = await self.queue.disable(active.webhook, reason, now)
        if webhook is not None:
            self.metrics.webhook_disabled(reason)
            log.warning("webhook_disabled", webhook_id=webhook.id, reason=reason)
            if reason is not DisabledReason.GONE:  # 410: the receiver wants no more messages
                notice = notice_message(webhook, self.new_id(), "webhook.disabled", now)
                await self.send(active.target, notice, now)
        return NextStep.RELOAD

    def _report(
        self,
        active: ActiveWebhook,
        message: WebhookMessage,
        before: DeliveryProgress,
        attempt: Attempt,
    ) -> None:
        outcome = "delivered" if attempt.delivered else "refused" if attempt.status else "failed"
        self.metrics.webhook_attempt(outcome, attempt.duration_ms / 1_000)
        write_line = log.debug if attempt.delivered else log.warning
        write_line(
            f"webhook_{outcome}",
            webhook_id=active.webhook.id,
            target=host_and_port(active.webhook.url),
            event_id=message.id,
            type=message.type,
            attempt=before.attempts + 1,
            status=attempt.status,
            error=attempt.error,
            duration_ms=attempt.duration_ms,
        )


def _follows(record: EventRecord, progress: DeliveryProgress) -> bool:
    return record.position == progress.position.next


def _delivery(
    before: DeliveryProgress, to: Position, message: WebhookMessage, attempt: Attempt, now: datetime
) -> WebhookDelivery:
    return WebhookDelivery(
        channel=before.channel,
        position=to,
        event_id=message.id,
        type=message.type,
        delivered=attempt.delivered,
        attempts=before.attempts + 1,
        first_at=before.failing_since or now,
        last_at=now,
        response_status=attempt.status,
        duration_ms=attempt.duration_ms,
        error=attempt.error,
    )
