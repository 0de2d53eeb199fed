"""Rows of the webhook tables to values of the domain, and back."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column

from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.webhook import (
    DeliveryProgress,
    DisabledReason,
    Webhook,
    WebhookId,
    WebhookStatus,
    party_of,
)
from actors.ports.webhooks import WebhookDelivery
from store.sql.schema import webhook_cursors, webhook_deliveries, webhooks

_w, _c, _d = webhooks.c, webhook_cursors.c, webhook_deliveries.c

WEBHOOK_COLUMNS: tuple[Column[Any], ...] = (
    _w.id,
    _w.role,
    _w.subject,
    _w.acting,
    _w.patient_id,
    _w.rights_until,
    _w.url,
    _w.description,
    _w.channels,
    _w.status,
    _w.disabled_reason,
    _w.disabled_at,
    _w.version,
    _w.created_at,
    _w.updated_at,
)


def webhook_of(row: Sequence[Any]) -> Webhook:
    """From the values of :data:`WEBHOOK_COLUMNS`."""
    return Webhook(
        id=WebhookId(row[0]),
        owner=Principal(
            role=Role(row[1]),
            subject=row[2],
            acting=row[3],
            person=ProfileId(row[4]) if row[4] else None,
        ),
        rights_until=row[5],
        url=row[6],
        description=row[7],
        channels=tuple(Channel(name) for name in json.loads(row[8])),
        status=WebhookStatus(row[9]),
        disabled_reason=DisabledReason(row[10]) if row[10] else None,
        disabled_at=row[11],
        version=row[12],
        created_at=row[13],
        updated_at=row[14],
    )


def webhook_params(webhook: Webhook) -> dict[str, Any]:
    owner = webhook.owner
    return {
        "id": webhook.id,
        "owner": party_of(owner),
        "scope": owner.scope,
        "role": str(owner.role),
        "subject": owner.subject,
        "acting": owner.acting,
        "patient_id": webhook.patient,
        "rights_until": webhook.rights_until,
        "url": webhook.url,
        "description": webhook.description,
        "channels": json.dumps(webhook.channels),
        "status": str(webhook.status),
        "disabled_reason": str(webhook.disabled_reason) if webhook.disabled_reason else None,
        "disabled_at": webhook.disabled_at,
        "version": webhook.version,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }


PROGRESS_COLUMNS: tuple[Column[Any], ...] = (
    _c.channel,
    _c.epoch,
    _c.offset,
    _c.attempts,
    _c.failing_since,
    _c.next_attempt_at,
    _c.moves,
)


def progress_of(row: Sequence[Any]) -> DeliveryProgress:
    """From the values of :data:`PROGRESS_COLUMNS`."""
    return DeliveryProgress(
        channel=Channel(row[0]),
        position=Position(row[1], row[2]),
        attempts=row[3],
        failing_since=row[4],
        next_attempt_at=row[5],
        moves=row[6],
    )


def progress_params(progress: DeliveryProgress) -> dict[str, Any]:
    return {
        "channel": progress.channel,
        "epoch": progress.position.epoch,
        "offset": progress.position.offset,
        "attempts": progress.attempts,
        "failing_since": progress.failing_since,
        "next_attempt_at": progress.next_attempt_at,
        "moves": progress.moves,
    }


DELIVERY_COLUMNS: tuple[Column[Any], ...] = (
    _d.channel,
    _d.epoch,
    _d.offset,
    _d.event_id,
    _d.type,
    _d.delivered,
    _d.attempts,
    _d.first_at,
    _d.last_at,
    _d.response_status,
    _d.duration_ms,
    _d.error,
)


def delivery_of(row: Sequence[Any]) -> WebhookDelivery:
    """From the values of :data:`DELIVERY_COLUMNS`."""
    return WebhookDelivery(
        channel=Channel(row[0]),
        position=Position(row[1], row[2]),
        event_id=EventId(row[3]),
        type=row[4],
        delivered=row[5],
        attempts=row[6],
        first_at=row[7],
        last_at=row[8],
        response_status=row[9],
        duration_ms=row[10],
        error=row[11],
    )


def delivery_params(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "channel": delivery.channel,
        "epoch": delivery.position.epoch,
        "offset": delivery.position.offset,
        "event_id": delivery.event_id,
        "type": delivery.type,
        "delivered": delivery.delivered,
        "attempts": delivery.attempts,
        "first_at": delivery.first_at,
        "last_at": delivery.last_at,
        "response_status": delivery.response_status,
        "duration_ms": delivery.duration_ms,
        "error": delivery.error,
    }
