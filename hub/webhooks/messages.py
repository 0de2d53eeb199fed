"""What receivers get: CloudEvents 1.0 in structured mode, signed per Standard Webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import orjson
from standardwebhooks import Webhook as Signer

from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.domain.webhook import DeliveryProgress, Webhook
from actors.ports.events import EventRecord
from api.schemas.fields import instant_text

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    id: EventId
    """The same over all attempts, so that receivers know a repeat."""
    type: str
    body: bytes = field(repr=False)

    def headers(self, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
        """Signed with every secret that is still good, the newest first."""
        text = self.body.decode()
        signatures = [Signer(secret).sign(self.id, now, text) for secret in secrets]
        return {
            "Content-Type": CONTENT_TYPE,
            "webhook-id": self.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def event_message(record: EventRecord) -> Message:
    return _message(
        record.event_id,
        record.type,
        record.time,
        orjson.Fragment(record.payload),
        source=f"/api/changes?channel={quote(record.channel, safe=':')}",
        channel=record.channel,
        position=str(record.position),
    )


def reset_message(
    webhook: Webhook, at: DeliveryProgress, head: Position, when: datetime
) -> Message:
    """History does not reach back to where the deliveries were: fetch again, then go on."""
    name = f"{webhook.id} {at.position} {at.channel} {head}"
    return _message(
        EventId(str(uuid5(NAMESPACE_URL, name))),
        "channel.reset",
        when,
        {"channel": at.channel, "epoch": head.epoch, "offset": head.offset},
        source=f"/api/changes?channel={quote(at.channel, safe=':')}",
        channel=at.channel,
        position=str(head),
    )


def notice_message(webhook: Webhook, id: str, type: str, when: datetime) -> Message:
    """``webhook.ping`` and ``webhook.disabled``: about the webhook itself."""
    data: dict[str, Any] = {"webhook_id": webhook.id, "status": webhook.status}
    if webhook.disabled_reason is not None:
        data["disabled_reason"] = webhook.disabled_reason
    return _message(EventId(id), type, when, data, source=f"/api/webhooks/{webhook.id}")


def _message(
    id: EventId, type: str, when: datetime, data: object, *, source: str, **extensions: str
) -> Message:
    event = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "time": instant_text(when),
        "datacontenttype": "application/json",
        **extensions,
        "data": data,
    }
    return Message(id=id, type=type, body=orjson.dumps(event))
