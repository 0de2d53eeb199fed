"""Webhooks: requests, and the resources of webhooks and their deliveries."""

import re
from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import urlsplit

import orjson
from marshmallow import Schema, ValidationError, fields

from actors.domain.ids import PatientId
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.text import NOT_IN_LINES
from actors.domain.values import value
from actors.domain.webhook import (
    CHANNELS_MAX,
    DeliveryProgress,
    DisabledReason,
    Webhook,
    WebhookStatus,
)
from actors.ports.webhooks import Attempt, WebhookDelivery, WebhookView
from actors.services.requests import NewWebhook, SecretRotation, WebhookChange, WebhookReplay
from api.schemas.fields import (
    MAX_SUBJECT_CHARS,
    ChannelName,
    Flag,
    Id,
    InstantField,
    Items,
    JsonField,
    OneOf,
    Text,
    Whole,
    whole,
)
from api.schemas.queries import (
    CURSOR,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    POSITION,
    PageQuery,
    SinceField,
)
from api.schemas.strict import ChangeSchema, RequestSchema

URL_MAX_CHARS = 2_000
PARTY_MAX_CHARS = 10 + MAX_SUBJECT_CHARS
_PARTY = re.compile(f"(?:chatbot|admin):[^{NOT_IN_LINES}]+")
_B64 = "[A-Za-z0-9+/]"
_24_TO_62 = f"(?:{_B64}{{4}}){{8,20}}(?:{_B64}{{2}}==|{_B64}{{3}}=)?"
_63_OR_64 = f"(?:{_B64}{{4}}){{21}}(?:{_B64}{{2}}==)?"
_SECRET = re.compile(f"whsec_(?:{_24_TO_62}|{_63_OR_64})")


class SecretField(JsonField[str]):
    """``whsec_`` and 24 to 64 bytes in base64 (Standard Webhooks)."""

    form: ClassVar = {"type": "string", "pattern": whole(_SECRET)}

    def read(self, value: object) -> str:
        if isinstance(value, str) and _SECRET.fullmatch(value):
            return value
        raise ValidationError("must be whsec_ followed by 24 to 64 bytes in base64")


def _channels(description: str | None = None) -> Items[str]:
    return Items(
        ChannelName(),
        what="channels",
        most=CHANNELS_MAX,
        least=1,
        once=True,
        metadata={} if description is None else {"description": description},
    )


def _url(*, required: bool = False) -> Text:
    metadata = {"format": "uri"}
    return Text(min_chars=1, max_chars=URL_MAX_CHARS, required=required, metadata=metadata)


class CreateWebhookSchema(RequestSchema[NewWebhook]):
    url = _url(required=True)
    channels = _channels("Own channels, if not given")
    description = Text(max_chars=200, allow_none=True)
    secret = SecretField(metadata={"description": "One is made, and shown once, if not given"})


class ChangeWebhookSchema(ChangeSchema[WebhookChange]):
    url = _url()
    channels = _channels()
    description = Text(max_chars=200, allow_none=True)
    status = OneOf(tuple(WebhookStatus))


class RotateSecretSchema(RequestSchema[SecretRotation]):
    secret = SecretField(metadata={"description": "One is made, and shown once, if not given"})


def _not_now(since: Position | None) -> None:
    if since is None:
        raise ValidationError("must be a position like 1.42 (epoch.offset)")


class ReplaySchema(RequestSchema[WebhookReplay]):
    channel = ChannelName(required=True)
    since = SinceField(
        required=True,
        validate=_not_now,
        metadata={
            "pattern": whole(POSITION),
            "description": "A position, epoch.offset: what follows it",
        },
    )


@value
class DeliveriesQuery:
    limit: int


@value
class WebhookPageQuery(PageQuery):
    party: str | None = None
    everyones: bool = False


@value
class DisableRequest:
    party: str
    patient_id: PatientId | None = None


def party_field(*, required: bool = False) -> Text:
    return Text(
        max_chars=PARTY_MAX_CHARS,
        pattern=_PARTY,
        expected="must be a party such as chatbot:bot-1",
        required=required,
        metadata={"description": "Who acts: the role and the subject", "example": "chatbot:bot-1"},
    )


class WebhookPageSchema(RequestSchema[WebhookPageQuery]):
    limit = Whole(low=1, high=LIMIT_MAX, in_query=True, load_default=LIMIT_DEFAULT)
    cursor = CURSOR
    party = party_field()
    everyones = Flag(
        data_key="all",
        in_query=True,
        load_default=False,
        metadata={"description": "For an admin: everyone's webhooks"},
    )


class DisableSchema(RequestSchema[DisableRequest]):
    party = party_field(required=True)
    patient_id = Id(metadata={"description": "Only those of this patient"})


class DeliveriesSchema(RequestSchema[DeliveriesQuery]):
    limit = Whole(low=1, high=LIMIT_MAX, in_query=True, load_default=LIMIT_DEFAULT)


CREATE_WEBHOOK: Final = CreateWebhookSchema()
CHANGE_WEBHOOK: Final = ChangeWebhookSchema()
ROTATE_SECRET: Final = RotateSecretSchema()
REPLAY: Final = ReplaySchema()
WEBHOOKS: Final = WebhookPageSchema()
DISABLE: Final = DisableSchema()
DELIVERIES: Final = DeliveriesSchema()


# --- what is shown -------------------------------------------------------------------


def _number(attribute: str | None = None, **metadata: str) -> fields.Raw:
    return fields.Raw(attribute=attribute, metadata={"type": "integer", **metadata})


class ProgressSchema(Schema):
    channel = fields.Raw(metadata={"type": "string"})
    epoch = _number("position.epoch")
    offset = _number("position.offset", description="Everything up to here was delivered")
    attempts = _number(description="Failed ones, of the event after it")
    failing_since = InstantField(allow_none=True)
    next_attempt_at = InstantField(allow_none=True)


class WebhookSchema(Schema):
    id = Id()
    party = fields.Raw(
        metadata={"type": "string", "description": "Who acts", "example": "chatbot:bot-1"}
    )
    patient_id = fields.Raw(
        attribute="patient",
        allow_none=True,
        metadata={"type": "string", "format": "uuid", "description": "Whom it concerns"},
    )
    url = fields.Raw(metadata={"type": "string", "format": "uri"})
    channels = fields.List(fields.Raw(metadata={"type": "string"}))
    description = fields.Raw(allow_none=True, metadata={"type": "string"})
    status = OneOf(tuple(WebhookStatus))
    disabled_reason = OneOf(tuple(DisabledReason), allow_none=True)
    disabled_at = InstantField(allow_none=True)
    rights_until = InstantField(
        allow_none=True,
        metadata={"description": "When the delegation ends that it was made with"},
    )
    expires_at = InstantField(
        allow_none=True, metadata={"description": "When it ends unless it is renewed"}
    )
    created_at = InstantField()
    updated_at = InstantField()
    version = _number()


class ShownWebhookSchema(WebhookSchema):
    """For the API document: with what belongs to other tables."""

    progress = fields.List(fields.Nested(ProgressSchema))
    secret = fields.Raw(
        metadata={"type": "string", "description": "Only in the answer that made it"}
    )


class DeliverySchema(Schema):
    channel = fields.Raw(metadata={"type": "string"})
    epoch = _number("position.epoch")
    offset = _number("position.offset")
    event_id = Id()
    type = fields.Raw(metadata={"type": "string", "example": "appointment.created"})
    delivered = fields.Raw(metadata={"type": "boolean"})
    attempts = _number()
    first_at = InstantField()
    last_at = InstantField()
    response_status = fields.Raw(allow_none=True, metadata={"type": "integer"})
    duration_ms = fields.Raw(allow_none=True, metadata={"type": "number"})
    error = fields.Raw(allow_none=True, metadata={"type": "string"})


class AttemptSchema(Schema):
    delivered = fields.Raw(metadata={"type": "boolean"})
    response_status = fields.Raw(attribute="status", allow_none=True, metadata={"type": "integer"})
    duration_ms = fields.Raw(metadata={"type": "number"})
    error = fields.Raw(allow_none=True, metadata={"type": "string"})


_WEBHOOK: Final = WebhookSchema()
_PROGRESS: Final = ProgressSchema(many=True)
_DELIVERIES: Final = DeliverySchema(many=True)
_ATTEMPT: Final = AttemptSchema()


def webhook_data(
    webhook: Webhook,
    progress: Sequence[DeliveryProgress],
    secret: str | None = None,
    *,
    reader: Principal | None = None,
) -> dict[str, object]:
    """As its owner sees it, or ``reader``: the path of another owner's URL may be a secret."""
    shown = {**_WEBHOOK.dump(webhook), "progress": _PROGRESS.dump(progress)}
    if reader is not None and reader.scope != webhook.owner.scope:
        parts = urlsplit(webhook.url)
        shown["url"] = f"{parts.scheme}://{parts.netloc}"
    return shown if secret is None else {**shown, "secret": secret}


def webhook_json(view: WebhookView, *, reader: Principal) -> bytes:
    return orjson.dumps(webhook_data(view.webhook, view.progress, reader=reader))


def disabled_json(count: int) -> bytes:
    return orjson.dumps({"disabled": count})


def deliveries_json(deliveries: Sequence[WebhookDelivery]) -> bytes:
    return orjson.dumps({"data": _DELIVERIES.dump(deliveries)})


def attempt_json(attempt: Attempt) -> bytes:
    return orjson.dumps(_ATTEMPT.dump(attempt))
