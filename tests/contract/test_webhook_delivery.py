"""Deliveries from the log of each engine: what is committed meanwhile is never skipped, and
history that is gone is said."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from actors.domain.channels import AVAILABILITY_ALL, Channel
from actors.domain.events import AppointmentTypeSaved, WebhookSaved
from actors.domain.principal import Principal, Role
from actors.domain.webhook import DeliveryProgress, RetryRules, Webhook
from actors.ports.webhooks import Attempt, Target
from hub.webhooks.active import Known
from hub.webhooks.delivery import Deliverer, Next, Observers
from hub.webhooks.messages import Message
from store.engine import Store
from tests.contract.clinic import Clinic
from tests.contract.hooks import webhook
from tests.contract.test_event_log import delivered

BOT = Principal(role=Role.CHATBOT, subject="bot")


class Sent:
    """Takes everything, at once; it is not what is tried here."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, target: Target, message: Message, now: datetime) -> Attempt:
        self.messages.append(message)
        await asyncio.sleep(0)
        return Attempt(status=204, duration_ms=1.0)

    @property
    def types(self) -> Sequence[str]:
        return [message.type for message in self.messages]


async def allowed(_webhook: Webhook, _channel: Channel) -> bool:
    return True


def deliverer(clinic: Clinic, sent: Sent) -> Deliverer:
    return Deliverer(
        queue=clinic.store.webhooks,
        events=clinic.store.events,
        sender=sent,
        may_tell=allowed,
        clock=clinic.clock,
        new_id=clinic.new_id,
        rules=RetryRules(),
        jitter=lambda: 0.0,
        observers=Observers(),
    )


async def known_at(clinic: Clinic, place: DeliveryProgress) -> Known:
    hook = webhook(clinic, BOT)
    event = WebhookSaved(before=None, after=hook, secret="whsec_x", moved_to=(place,))
    await clinic.save(event, by=BOT)
    target = await clinic.store.webhooks.target(hook.id, clinic.clock.now())
    assert target is not None
    return Known(target, {place.channel: place})


async def here(clinic: Clinic) -> DeliveryProgress:
    head = (await clinic.store.events.heads([AVAILABILITY_ALL]))[AVAILABILITY_ALL]
    return DeliveryProgress(channel=AVAILABILITY_ALL, position=head)


async def test_events_committed_while_others_are_delivered_are_all_delivered_in_order(
    clinic: Clinic, store: Store
) -> None:
    sent, begin = Sent(), await here(clinic)
    known = await known_at(clinic, begin)
    working = deliverer(clinic, sent)
    done = asyncio.Event()

    async def commit() -> None:
        kind = clinic.kind
        for _ in range(40):
            after = replace(kind, version=kind.version + 1)
            await clinic.save(AppointmentTypeSaved(before=kind, after=after))
            kind = after
        done.set()

    committing = asyncio.create_task(commit())
    while not (done.is_set() and known.progress[AVAILABILITY_ALL] == await _end(clinic, known)):
        await working.some(known, AVAILABILITY_ALL, lambda _: True)
    await committing
    assert sent.types == ["appointment_types.updated"] * 40
    noted = await store.webhooks.deliveries(BOT, known.webhook.id, limit=100)
    offsets = [delivery.position.offset for delivery in noted]
    assert sorted(offsets) == list(range(begin.position.offset + 1, begin.position.offset + 41))


async def _end(clinic: Clinic, known: Known) -> DeliveryProgress:
    head = await here(clinic)
    return replace(head, moves=known.progress[AVAILABILITY_ALL].moves)


async def test_a_history_that_does_not_reach_back_is_said_once_and_then_it_goes_on(
    clinic: Clinic,
) -> None:
    sent, begin = Sent(), await here(clinic)
    known = await known_at(
        clinic, replace(begin, position=begin.position._replace(epoch=begin.position.epoch - 1))
    )
    working = deliverer(clinic, sent)
    assert await working.some(known, AVAILABILITY_ALL, lambda _: True) is Next.MORE
    assert await working.some(known, AVAILABILITY_ALL, lambda _: True) is Next.DONE
    assert sent.types == ["channel.reset"]
    kind = replace(clinic.kind, version=2)
    await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=kind))
    await working.some(known, AVAILABILITY_ALL, lambda _: True)
    assert sent.types == ["channel.reset", "appointment_types.updated"]


async def test_events_that_were_forgotten_are_said_to_be(clinic: Clinic) -> None:
    sent, begin = Sent(), await here(clinic)
    known = await known_at(clinic, replace(begin, position=begin.position._replace(offset=0)))
    pending = await clinic.store.events.pending(limit=100)
    await clinic.store.events.mark([delivered(record, clinic) for record in pending])
    await clinic.store.retention.forget(clinic.clock.now() + timedelta(days=40))
    await deliverer(clinic, sent).some(known, AVAILABILITY_ALL, lambda _: True)
    assert sent.types == ["channel.reset"]
    assert known.progress[AVAILABILITY_ALL].position.offset == begin.position.offset
