"""Messages to patients, as they are shown: never what they say, nor to which address."""

from typing import Final

from marshmallow import fields

from actors.domain.message import MessageChannel, MessageError, MessageKind, MessageState
from api.schemas.fields import Id, InstantField, OneOf
from api.schemas.strict import Strict


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


MESSAGE: Final = MessageSchema()
