"""What a client of ``POST /api/chat`` sends."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validates_schema

from api.schemas.fields import Text
from api.schemas.strict import Strict

STATE_MAX_CHARS: Final = 32_768
MESSAGE_MAX_CHARS: Final = 20_000
"""More is refused; what is understood of it is shorter still."""


class HappenedSchema(Strict):
    """An event that the client received: its ``type`` and ``data``."""

    type = Text(required=True, min_chars=1, max_chars=100)
    data = fields.Dict(required=True)


class ChatSchema(Strict):
    """A message, or an event; neither begins a conversation."""

    message = Text(
        max_chars=MESSAGE_MAX_CHARS,
        many_lines=True,
        metadata={"description": "What the patient says"},
    )
    event = fields.Nested(HappenedSchema)
    state = Text(
        max_chars=STATE_MAX_CHARS,
        metadata={"description": "`state` of the answer before; without it a new conversation"},
    )

    @validates_schema
    def check_one(self, data: Mapping[str, Any], **_: Any) -> None:
        if "message" in data and "event" in data:
            raise ValidationError("does not go with message", "event")


CHAT: Final = ChatSchema()
