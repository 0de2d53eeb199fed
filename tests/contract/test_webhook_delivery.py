"""Deliveries from the event log of each engine: no event is skipped, lost history is reported."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.domain.channels import AVAILABILITY_ALL, Channel
from actors.domain.events import AppointmentTypeSaved, WebhookSaved
from actors.domain.principal import Principal, Role
from actors.domain.webhook import DeliveryProgress, DisabledReason, Webhook
from actors.ports.commits import StoreUnavailable
from actors.ports.webhooks import Attempt, Target
from actors.services.webhooks import new_secret
from hub.telemetry.metrics import Metrics
from hub.webhooks import dispatcher
from hub.webhooks.active import ActiveWebhook
from hub.webhooks.delivery import Deliverer, NextStep
from hub.webhooks.dispatcher import Dispatcher
from hub.webhooks.messages import WebhookMessage
from hub.webhooks.settings import WebhookSettings
from store.engine import Store
from tests.contract.clinic import Clinic
from tests.contract.hooks import webhook
from tests.contract.test_event_log import delivered
from tests.support.receiver import receiving

BOT = Principal(role=Role.CHATBOT, subject="bot")


class Sent:
    """A sender whose receiver answers every message at once, with the same answer."""

    def __init__(self, status: int = 204, retry_after_s: float | None = None) -> None:
        self.messages: list[WebhookMessage] = []
        self.answer = Attempt(status=status, duration_ms=1.0, retry_after_s=retry_after_s)

    async def send(self, target: Target, message: WebhookMessage, now: datetime) -> Attempt:
        self.messages.append(message)
        await asyncio.sleep(0)
        return self.answer

    @property
    def types(self) -> Sequence[str]:
        return [message.type for message in self.messages]


class AllRights:
    """Rights that never end."""

    async def lapsed(self, webhook: Webhook) -> DisabledReason | None:
        return None

    async def ended(self, webhook: Webhook, channel: Channel) -> DisabledReason | None:
        return None


def deliverer(clinic: Clinic, sent: Sent) -> Deliverer:
    return Deliverer(
        queue=clinic.store.webhooks,
        events=clinic.store.events,
        send=sent.send,
        rights=AllRights(),
        clock=clinic.clock,
        new_id=clinic.new_id,
        settings=WebhookSettings(),
        jitter=lambda: 0.0,
        metrics=Metrics(),
    )


async def active_at(clinic: Clinic, progress: DeliveryProgress) -> ActiveWebhook:
    hook = webhook(clinic, BOT)
    event = WebhookSaved(before=None, after=hook, secret="whsec_x", moved_to=(progress,))
    await clinic.save(event, by=BOT)
    target = await clinic.store.webhooks.target(hook.id, clinic.clock.now())
    assert target is not None
    return ActiveWebhook(target, {progress.channel: progress})


async def here(clinic: Clinic) -> DeliveryProgress:
    head = (await clinic.store.events.heads([AVAILABILITY_ALL]))[AVAILABILITY_ALL]
    return DeliveryProgress(channel=AVAILABILITY_ALL, position=head)


async def next_batch(clinic: Clinic, sent: Sent, active: ActiveWebhook) -> NextStep:
    return await deliverer(clinic, sent).deliver_batch(active, AVAILABILITY_ALL, lambda _: True)


async def test_events_committed_during_deliveries_are_delivered_in_order(
    clinic: Clinic, store: Store
) -> None:
    sent, begin = Sent(), await here(clinic)
    active = await active_at(clinic, begin)
    done = asyncio.Event()

    async def commit() -> None:
        kind = clinic.kind
        for _ in range(40):
            after = replace(kind, version=kind.version + 1)
            await clinic.save(AppointmentTypeSaved(before=kind, after=after))
            kind = after
        done.set()

    committing = asyncio.create_task(commit())
    while not (done.is_set() and active.progress[AVAILABILITY_ALL] == await _end(clinic, active)):
        await next_batch(clinic, sent, active)
    await committing
    assert sent.types == ["appointment_types.updated"] * 40
    recorded = await store.webhooks.deliveries(BOT, active.webhook.id, limit=100)
    offsets = [delivery.position.offset for delivery in recorded]
    assert sorted(offsets) == list(range(begin.position.offset + 1, begin.position.offset + 41))


async def _end(clinic: Clinic, active: ActiveWebhook) -> DeliveryProgress:
    head = await here(clinic)
    return replace(head, moves=active.progress[AVAILABILITY_ALL].moves)


async def test_a_reset_is_sent_once_and_deliveries_continue_after_it(clinic: Clinic) -> None:
    sent, begin = Sent(), await here(clinic)
    active = await active_at(
        clinic, replace(begin, position=begin.position._replace(epoch=begin.position.epoch - 1))
    )
    assert await next_batch(clinic, sent, active) is NextStep.CONTINUE
    assert await next_batch(clinic, sent, active) is NextStep.WAIT_FOR_EVENTS
    assert sent.types == ["channel.reset"]
    kind = replace(clinic.kind, version=2)
    await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=kind))
    await next_batch(clinic, sent, active)
    assert sent.types == ["channel.reset", "appointment_types.updated"]


async def test_deleted_history_is_reported_with_a_reset(clinic: Clinic) -> None:
    sent, begin = Sent(), await here(clinic)
    active = await active_at(clinic, replace(begin, position=begin.position._replace(offset=0)))
    pending = await clinic.store.events.pending(limit=100)
    await clinic.store.events.mark([delivered(record, clinic) for record in pending])
    await clinic.store.retention.forget(clinic.clock.now() + timedelta(days=40))
    await next_batch(clinic, sent, active)
    assert sent.types == ["channel.reset"]
    assert active.progress[AVAILABILITY_ALL].position == begin.position


@pytest.mark.parametrize(
    ("asked_s", "waits_s"), [(60.0, 60.0), (9e9, 14_400.0), (math.inf, 14_400.0)]
)
async def test_a_long_retry_after_is_capped_and_not_dropped(
    clinic: Clinic, asked_s: float, waits_s: float
) -> None:
    begin = await here(clinic)
    active = await active_at(clinic, begin)
    kind = replace(clinic.kind, version=2)
    await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=kind))
    assert await next_batch(clinic, Sent(503, asked_s), active) is NextStep.RETRY_LATER
    due = active.progress[AVAILABILITY_ALL].next_attempt_at
    assert due == clinic.clock.now() + timedelta(seconds=waits_s)


class HeadsFailOnce:
    """An event log whose first query for heads gets no answer."""

    def __init__(self, events: Any) -> None:
        self._events, self._failed = events, False

    async def heads(self, *args: Any) -> Any:
        if not self._failed:
            self._failed = True
            raise StoreUnavailable("no answer")
        return await self._events.heads(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)


async def test_a_failed_query_at_the_start_delays_no_webhook_until_its_next_event(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_STORE_RETRY_S", 0.01)
    async with receiving() as receiver:
        hook = replace(webhook(clinic, BOT), url=receiver.url)
        begin = await here(clinic)
        event = WebhookSaved(before=None, after=hook, secret=new_secret(), moved_to=(begin,))
        await clinic.save(event, by=BOT)
        after = replace(clinic.kind, version=2)
        await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=after))
        dispatches = Dispatcher(
            WebhookSettings(allowed_networks=("127.0.0.0/8",), allow_http=True),
            queue=clinic.store.webhooks,
            events=HeadsFailOnce(clinic.store.events),
            rights=AllRights(),
            clock=clinic.clock,
            new_id=clinic.new_id,
            metrics=Metrics(),
        )
        running = asyncio.create_task(dispatches.run())
        try:
            (received,) = await receiver.until(1, 3.0)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await dispatches.close()
    assert received.event["type"] == "appointment_types.updated"
