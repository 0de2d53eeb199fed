"""Messages to patients: their lists, and how they are shown, without text and address."""

from typing import Final

from marshmallow import fields

from actors.domain.message import (
    SECRET,
    MessageChannel,
    MessageError,
    MessageKind,
    MessageState,
)
from actors.domain.values import value
from actors.ports.messages import MessageQuery
from api.schemas.fields import Id, InstantField, OneOf, OneOfMany
from api.schemas.queries import CURSOR, LIMIT
from api.schemas.strict import Loaded, RequestSchema, Strict


@value
class MessagePageQuery(MessageQuery):
    cursor: str | None = None


class MessagesSchema(RequestSchema[MessagePageQuery]):
    appointment_id = Id(metadata={"description": "Of one visit"})
    patient_id = Id()
    states = OneOfMany(
        MessageState,
        data_key="state",
        metadata={"description": "Repeatable, or with commas; any if not given"},
    )
    kinds = OneOfMany(
        [kind for kind in MessageKind if kind not in SECRET],
        data_key="kind",
        metadata={"description": "Repeatable, or with commas; any if not given"},
    )
    limit = LIMIT
    cursor = CURSOR

    def make(self, data: Loaded) -> MessagePageQuery:
        sent = dict(data)
        states, kinds = (tuple(sent.pop(name, ())) for name in ("states", "kinds"))
        return MessagePageQuery(states=states, kinds=kinds, **sent)


class MessageSchema(Strict):
    id = Id()
    appointment_id = Id()
    patient_id = Id()
    kind = OneOf(tuple(MessageKind))
    channel = OneOf(tuple(MessageChannel))
    state = OneOf(tuple(MessageState))
    attempts = fields.Raw(metadata={"type": "integer"})
    error = OneOf(
        tuple(MessageError),
        allow_none=True,
        metadata={"description": "Why it was not sent, or not yet"},
    )
    created_at = InstantField()
    sent_at = InstantField(
        allow_none=True, metadata={"description": "When the mail server accepted it"}
    )
    version = fields.Raw(metadata={"type": "integer"})


MESSAGES: Final = MessagesSchema()
MESSAGE: Final = MessageSchema()
