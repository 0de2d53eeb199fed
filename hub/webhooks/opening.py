"""The dispatcher with its parts, from the operator's settings."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from actors.domain.webhook import RetryRules
from actors.ports.clock import Clock, NewId
from actors.ports.events import EventLog
from actors.ports.webhooks import WebhookQueue
from hub.config import Webhooks
from hub.webhooks.addresses import networks
from hub.webhooks.delivery import Deliverer, MayTell, Observers
from hub.webhooks.dispatcher import Dispatcher, DispatcherSettings
from hub.webhooks.resolver import Lookup
from hub.webhooks.sender import Sender, SenderSettings


@asynccontextmanager
async def open_delivering(
    settings: Webhooks,
    *,
    queue: WebhookQueue,
    events: EventLog,
    may_tell: MayTell,
    clock: Clock,
    new_id: NewId,
    observers: Observers,
    lookup: Lookup | None = None,
) -> AsyncIterator[Dispatcher]:
    """Whoever opens it runs it (``run``) within the block."""
    sender = Sender(
        SenderSettings(
            allowed=networks(settings.allowed_networks),
            allow_http=settings.allow_http,
            timeout_s=settings.timeout_s,
        ),
        lookup,
    )
    deliverer = Deliverer(
        queue=queue,
        events=events,
        sender=sender,
        may_tell=may_tell,
        clock=clock,
        new_id=new_id,
        rules=RetryRules(
            first=timedelta(seconds=settings.retry_first_s),
            longest=timedelta(seconds=settings.retry_longest_s),
            give_up_after=timedelta(hours=settings.give_up_after_hours),
        ),
        jitter=random.random,
        observers=observers,
    )
    dispatcher = Dispatcher(
        queue=queue,
        events=events,
        sender=sender,
        deliverer=deliverer,
        clock=clock,
        new_id=new_id,
        settings=DispatcherSettings(
            concurrency=settings.concurrency,
            concurrency_per_target=settings.concurrency_per_target,
        ),
    )
    try:
        yield dispatcher
    finally:
        await sender.close()
