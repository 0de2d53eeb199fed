"""Webhooks in a store: the words their contract is tested in."""

from datetime import timedelta

from actors.domain.appointment import Appointment
from actors.domain.channels import AVAILABILITY_ALL, Channel
from actors.domain.consent import Consent, ConsentId
from actors.domain.events import ConsentSaved, MessageSaved, WebhookSaved
from actors.domain.ids import EventId, PatientId
from actors.domain.message import Message, MessageChannel, MessageId, MessageKind
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.visit_link import VisitLink, new_visit_link
from actors.domain.webhook import DeliveryProgress, Webhook, WebhookId
from actors.ports.webhooks import WebhookDelivery
from tests.contract.clinic import Clinic


def webhook(clinic: Clinic, owner: Principal, *channels: Channel) -> Webhook:
    now = clinic.clock.now()
    return Webhook(
        id=WebhookId(clinic.new_id()),
        owner=owner,
        url="https://bot.example/hook",
        channels=channels or (AVAILABILITY_ALL,),
        key_id="key-1",
        expires_at=now + timedelta(days=90),
        created_at=now,
        updated_at=now,
    )


def at(channel: Channel, offset: int, **changes: int) -> DeliveryProgress:
    return DeliveryProgress(channel=channel, position=Position(1, offset), **changes)  # type: ignore[arg-type]  # keywords of a test


def delivery(
    clinic: Clinic, channel: Channel, offset: int, *, delivered: bool = True, attempts: int = 1
) -> WebhookDelivery:
    now = clinic.clock.now()
    return WebhookDelivery(
        channel=channel,
        position=Position(1, offset),
        event_id=EventId(f"event-{offset}"),
        type="availability.changed",
        delivered=delivered,
        attempts=attempts,
        first_at=now,
        last_at=now,
        response_status=204 if delivered else 500,
        duration_ms=1.5,
        error=None if delivered else "answered 500",
    )


async def add_webhook(clinic: Clinic, owner: Principal) -> Webhook:
    """One with a secret, a place in a channel, and a delivery."""
    hook, begin = webhook(clinic, owner), at(AVAILABILITY_ALL, 0)
    await clinic.save(
        WebhookSaved(before=None, after=hook, secret="whsec_x", moved_to=(begin,)), by=owner
    )
    assert await clinic.store.webhooks.record(
        hook.id, begin, at(AVAILABILITY_ALL, 1, moves=1), delivery(clinic, AVAILABILITY_ALL, 1)
    )
    return hook


async def add_consent(
    clinic: Clinic, patient: Profile, party: str = "chatbot:bot", by: Principal | None = None
) -> Consent:
    """A consent that the patient gave, or ``by``."""
    giver = by or Principal(role=Role.PATIENT, subject="sub", person=patient.id)
    now = clinic.clock.now()
    consent = Consent(
        id=ConsentId(clinic.new_id()),
        patient_id=PatientId(patient.id),
        party=party,
        given_at=now,
        given_by=f"{giver.role}:{giver.subject}",
        expires_at=now + timedelta(days=365),
    )
    await clinic.save(ConsentSaved(before=None, after=consent), by=giver)
    return consent


async def add_message(clinic: Clinic, row: Appointment | None = None) -> Message:
    """A confirmation of the visit, or a code without one."""
    now = clinic.clock.now()
    message = Message(
        id=MessageId(clinic.new_id()),
        kind=MessageKind.CONFIRMATION if row else MessageKind.CODE,
        channel=MessageChannel.EMAIL,
        dentist_id=row.dentist_id if row else None,
        patient_id=row.patient_id if row else None,
        appointment_id=row.id if row else None,
        visit_start=row.start if row else None,
        address=None if row else "eve@example.org",
        content=None if row else '{"subject": "Your code"}',
        created_at=now,
        expires_at=now + timedelta(days=1),
        next_attempt_at=now,
    )
    await clinic.save(MessageSaved(before=None, after=message))
    return message


async def add_visit_link(clinic: Clinic, message: Message, token: bytes) -> VisitLink:
    """The link of a message that is attempted now."""
    now = clinic.clock.now()
    link = new_visit_link(message, token, now)
    claimed = message.claimed(now + timedelta(minutes=1))
    change = MessageSaved(before=message, after=claimed)
    await clinic.store.messages.save([change], [link])
    return link
