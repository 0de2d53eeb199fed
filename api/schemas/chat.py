"""The request of ``POST /api/chat``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from marshmallow import ValidationError, validates_schema

from api.schemas import fields
from api.schemas.strict import Loaded, RequestSchema

STATE_MAX_CHARS: Final = 32_768
MESSAGE_MAX_CHARS: Final = 20_000
"""More is refused; the chatbot reads less of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedEvent:
    """An event of a watched channel, as the client received it."""

    type: str
    data: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRequest:
    """A message or an event; with neither, the chatbot greets."""

    message: str | None = None
    event: ReceivedEvent | None = None
    state: str | None = None
    """``state`` of the response before; ``None`` begins a new conversation."""


class HappenedSchema(RequestSchema[ReceivedEvent]):
    type = fields.Text(required=True, min_chars=1, max_chars=100)
    data = fields.Dict(required=True)


class ChatSchema(RequestSchema[ChatRequest]):
    message = fields.Text(
        max_chars=MESSAGE_MAX_CHARS,
        many_lines=True,
        metadata={"description": "What the patient says"},
    )
    event = fields.Nested(HappenedSchema)
    state = fields.Text(
        max_chars=STATE_MAX_CHARS,
        metadata={"description": "`state` of the answer before; without it a new conversation"},
    )

    form: ClassVar = {
        "not": {"required": ["message", "event"], "properties": {"message": {}, "event": {}}}
    }

    @validates_schema
    def check_one(self, data: Loaded, **_: object) -> None:
        if "message" in data and "event" in data:
            raise ValidationError("does not go with message", "event")


CHAT: Final = ChatSchema()
