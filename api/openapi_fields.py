"""How the hub's own field types look in the API document."""

from typing import Any

from marshmallow import fields

from api.schemas.fields import (
    Flag,
    Id,
    InstantField,
    LocalDate,
    OneOf,
    Text,
    TimeZone,
    WallTime,
    Whole,
)
from api.schemas.queries import SinceField
from api.schemas.resources import PersonField

_PERSON = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "name": {"type": "string", "nullable": True},
    },
}


def field_form(field: fields.Field[Any]) -> dict[str, Any]:
    """The JSON schema of one field, as far as apispec cannot know it."""
    match field:
        case InstantField():
            return {"type": "string", "format": "date-time", "example": "2027-03-08T09:00:00Z"}
        case Id():
            return {"type": "string", "format": "uuid"}
        case Text():
            return {"type": "string", "minLength": field.min_chars, "maxLength": field.max_chars}
        case TimeZone():
            return {"type": "string", "example": "Europe/Vienna"}
        case WallTime():
            return {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"}
        case LocalDate():
            return {"type": "string", "format": "date"}
        case Whole():
            return {"type": "integer", "minimum": field.low, "maximum": field.high}
        case Flag():
            return {"type": "boolean"}
        case OneOf():
            return {"type": "string", "enum": list(field.members)}
        case SinceField():
            return {"type": "string", "pattern": r"^(now|[0-9]+\.[0-9]+)$", "example": "1.42"}
        case PersonField():
            return _PERSON
        case _:
            return {}
