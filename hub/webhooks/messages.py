"""Webhook messages: CloudEvents 1.0, signed according to Standard Webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import orjson
from standardwebhooks import Webhook as Signer

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.domain.webhook import DeliveryProgress, Webhook
from actors.ports.events import EventRecord
from api.schemas.fields import instant_text

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookMessage:
    """One CloudEvent as JSON, ready to be signed and sent."""

    id: EventId
    """The same over all attempts, so that receivers recognise a repeat."""
    type: str
    body: bytes = field(repr=False)

    def headers(self, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
        """The headers of a request, signed with every valid secret, the newest first."""
        text = self.body.decode()
        signatures = [Signer(secret).sign(self.id, now, text) for secret in secrets]
        return {
            "Content-Type": CONTENT_TYPE,
            "webhook-id": self.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def event_message(record: EventRecord) -> WebhookMessage:
    return _message(
        record.event_id,
        record.type,
        record.time,
        orjson.Fragment(record.payload),
        source=_channel_url(record.channel),
        channel=record.channel,
        position=str(record.position),
    )


def reset_message(
    webhook: Webhook, before: DeliveryProgress, head: Position, time: datetime
) -> WebhookMessage:
    """``channel.reset``: history before ``head`` is gone; the receiver must reload."""
    channel = before.channel
    name = f"{webhook.id} {before.position} {channel} {head}"
    return _message(
        EventId(str(uuid5(NAMESPACE_URL, name))),
        "channel.reset",
        time,
        {"channel": channel, "epoch": head.epoch, "offset": head.offset},
        source=_channel_url(channel),
        channel=channel,
        position=str(head),
    )


def notice_message(webhook: Webhook, id: str, type: str, time: datetime) -> WebhookMessage:
    """``webhook.ping`` or ``webhook.disabled``: a message about the webhook itself."""
    data: dict[str, object] = {"webhook_id": webhook.id, "status": webhook.status}
    if webhook.disabled_reason is not None:
        data["disabled_reason"] = webhook.disabled_reason
    return _message(EventId(id), type, time, data, source=f"/api/webhooks/{webhook.id}")


def _channel_url(channel: Channel) -> str:
    return f"/api/changes?channel={quote(channel, safe=':')}"


def _message(
    id: EventId, type: str, time: datetime, data: object, *, source: str, **extensions: str
) -> WebhookMessage:
    event = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "time": instant_text(time),
        "datacontenttype": "application/json",
        **extensions,
        "data": data,
    }
    return WebhookMessage(id=id, type=type, body=orjson.dumps(event))
