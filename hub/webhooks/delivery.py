"""The deliveries of one channel of one webhook, some at a time, in order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from http import HTTPStatus
from typing import Final, Protocol

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.webhook import DeliveryProgress, DisabledReason, RetryRules, Webhook
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog, EventRecord
from actors.ports.webhooks import Attempt, Target, WebhookDelivery, WebhookQueue
from hub.webhooks.active import Known
from hub.webhooks.messages import Message, event_message, notice_message, reset_message
from hub.webhooks.sender import target_of

log = structlog.get_logger(__name__)

_EVENTS_MAX: Final = 20
_BYTES_MAX: Final = 256 * 1024

MayTell = Callable[[Webhook, Channel], Awaitable[bool]]
"""Whether the webhook's owner may hear of the channel, now."""


class Sends(Protocol):
    async def send(self, target: Target, message: Message, now: datetime) -> Attempt:
        """One attempt; never raises for what the receiver or the network does."""
        ...


class Next(Enum):
    """What is to happen with this channel."""

    DONE = "nothing is left"
    MORE = "go on"
    WAIT = "the next attempt has its time"
    MOVED = "it is not where it was thought to be: look again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Observers:
    """Told of attempts (``delivered``, ``refused``, ``failed``; seconds) and of ends."""

    on_attempt: Callable[[str, float], None] = lambda _outcome, _seconds: None
    on_disabled: Callable[[str], None] = lambda _reason: None


class Deliverer:
    def __init__(
        self,
        *,
        queue: WebhookQueue,
        events: EventLog,
        sender: Sends,
        may_tell: MayTell,
        clock: Clock,
        new_id: NewId,
        rules: RetryRules,
        jitter: Callable[[], float],
        observers: Observers,
    ) -> None:
        self._queue, self._events, self._sender = queue, events, sender
        self._may_tell, self._clock, self._new_id = may_tell, clock, new_id
        self._rules, self._jitter, self._observers = rules, jitter, observers

    async def some(
        self, known: Known, channel: Channel, is_current: Callable[[Known], bool]
    ) -> Next:
        """Deliver what comes next, a bounded part of it, for as long as the webhook is as it
        was known.

        Raises StoreUnavailable; what was delivered then may be delivered again.
        """
        at = known.progress[channel]
        # The head first: what is read after it was committed before, or is no longer kept.
        owner = known.webhook.owner
        head = (await self._events.heads([channel], owner))[channel]
        if head == at.position:
            return Next.DONE
        records = await self._events.read(
            channel,
            after=at.position.offset,
            up_to=head.offset,
            limit=_EVENTS_MAX,
            max_bytes=_BYTES_MAX,
            by=owner,
        )
        if not (records and _follows(records[0], at)):
            return await self._reset(known, at, head)
        for record in records:
            if not is_current(known) or not _follows(record, known.progress[channel]):
                return Next.MORE  # looked at again, from here
            result = await self._deliver(
                known, known.progress[channel], record.position, event_message(record)
            )
            if result is not Next.MORE:
                return result
        return Next.MORE

    async def _reset(self, known: Known, at: DeliveryProgress, head: Position) -> Next:
        """History does not reach back: said once, and then it goes on from now."""
        message = reset_message(known.webhook, at, head, self._clock.now())
        return await self._deliver(known, at, head, message)

    async def _deliver(
        self, known: Known, before: DeliveryProgress, to: Position, message: Message
    ) -> Next:
        if not await self._may_tell(known.webhook, before.channel):
            await self._disable(known, DisabledReason.RIGHTS_ENDED)
            return Next.MOVED
        attempt = await self._sender.send(known.target, message, self._clock.now())
        now = self._clock.now()
        after = _moved(before, to) if attempt.delivered else self._failed(before, attempt, now)
        self._tell(known, message, before, attempt)
        noted = _delivery(before, to, message, attempt, now)
        if not await self._queue.record(known.webhook.id, before, after, noted):
            return Next.MOVED
        known.progress[before.channel] = after
        if attempt.delivered:
            return Next.MORE
        return await self._after_failure(known, after, attempt, now)

    def _failed(
        self, before: DeliveryProgress, attempt: Attempt, now: datetime
    ) -> DeliveryProgress:
        wait = self._rules.wait(before.attempts + 1, self._jitter())
        asked = timedelta(seconds=attempt.retry_after_s or 0)
        return replace(
            before,
            attempts=before.attempts + 1,
            failing_since=before.failing_since or now,
            next_attempt_at=now + max(wait, min(asked, self._rules.longest)),
            moves=before.moves + 1,
        )

    async def _after_failure(
        self, known: Known, after: DeliveryProgress, attempt: Attempt, now: datetime
    ) -> Next:
        assert after.failing_since is not None, "it failed just now"
        if attempt.status == HTTPStatus.GONE:
            await self._disable(known, DisabledReason.GONE)
            return Next.MOVED
        if self._rules.is_over(after.failing_since, now):
            await self._disable(known, DisabledReason.FAILING)
            return Next.MOVED
        return Next.WAIT

    async def _disable(self, known: Known, reason: DisabledReason) -> None:
        now = self._clock.now()
        webhook = await self._queue.disable(known.webhook.id, reason, now)
        if webhook is None:
            return
        self._observers.on_disabled(reason)
        log.warning("webhook_disabled", webhook_id=webhook.id, reason=reason)
        if reason is not DisabledReason.GONE:  # who is gone has said so
            notice = notice_message(webhook, self._new_id(), "webhook.disabled", now)
            await self._sender.send(known.target, notice, now)

    def _tell(
        self, known: Known, message: Message, before: DeliveryProgress, attempt: Attempt
    ) -> None:
        outcome = "delivered" if attempt.delivered else "refused" if attempt.status else "failed"
        self._observers.on_attempt(outcome, attempt.duration_ms / 1_000)
        say = log.debug if attempt.delivered else log.warning
        say(
            f"webhook_{outcome}",
            webhook_id=known.webhook.id,
            target=target_of(known.webhook.url),
            event_id=message.id,
            type=message.type,
            attempt=before.attempts + 1,
            status=attempt.status,
            error=attempt.error,
            duration_ms=attempt.duration_ms,
        )


def _follows(record: EventRecord, at: DeliveryProgress) -> bool:
    return record.position == at.position.next


def _moved(before: DeliveryProgress, to: Position) -> DeliveryProgress:
    return DeliveryProgress(channel=before.channel, position=to, moves=before.moves + 1)


def _delivery(
    before: DeliveryProgress, to: Position, message: Message, attempt: Attempt, now: datetime
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
