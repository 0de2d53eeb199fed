"""Appointment types: requests, and how they are shown."""

import re
from typing import ClassVar, Final

from marshmallow import ValidationError

from actors.domain.appointment import (
    BOOKABLE_BY,
    MAX_MINUTES,
    ORDER_MAX,
    REMINDER_HOURS_MAX,
    REMINDERS_MAX,
)
from actors.domain.principal import Role
from actors.services.requests import AppointmentTypeChange, NewAppointmentType
from api.schemas import fields
from api.schemas.strict import ChangeSchema, RequestSchema, Strict

DESCRIPTION_MAX_CHARS: Final = 1_000
_HOURS: Final = frozenset(range(1, REMINDER_HOURS_MAX + 1))
_COLOR_FORM: Final = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)


class Color(fields.JsonField[str]):
    """A color as ``#rrggbb``, kept in lower case."""

    form: ClassVar = {
        "type": "string",
        "pattern": fields.whole(_COLOR_FORM),
        "example": "#1f7a8c",
    }

    def read(self, value: object) -> str:
        if isinstance(value, str) and _COLOR_FORM.fullmatch(value):
            return value.lower()
        raise ValidationError("must be a color like #1f7a8c")


class BookableBy(fields.JsonField[tuple[Role, ...]]):
    """Who may book a type, each once; in the order of the domain."""

    form: ClassVar = {
        "type": "array",
        "items": {"type": "string", "enum": [str(role) for role in BOOKABLE_BY]},
        "minItems": 1,
        "maxItems": len(BOOKABLE_BY),
        "uniqueItems": True,
        "description": "`staff` includes dentists",
    }

    def show(self, value: tuple[Role, ...]) -> list[str]:
        return [str(role) for role in value]

    def read(self, value: object) -> tuple[Role, ...]:
        if isinstance(value, list):
            known = tuple(role for role in BOOKABLE_BY if role in value)
            if known and len(known) == len(value):
                return known
        raise ValidationError(f"must be a list of {' and '.join(BOOKABLE_BY)}, at least one")


class ReminderHours(fields.JsonField[tuple[int, ...]]):
    """How many hours before a visit its patient is reminded, each once, the longest first."""

    form: ClassVar = {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": REMINDER_HOURS_MAX},
        "maxItems": REMINDERS_MAX,
        "uniqueItems": True,
        "description": "Hours before a visit; null: as set for the hub",
    }

    def show(self, value: tuple[int, ...]) -> list[int]:
        return list(value)

    def read(self, value: object) -> tuple[int, ...]:
        if isinstance(value, list) and len(value) <= REMINDERS_MAX:
            hours = {each for each in value if type(each) is int}
            if len(hours) == len(value) and hours <= _HOURS:
                return tuple(sorted(hours, reverse=True))
        raise ValidationError(
            f"must be a list of up to {REMINDERS_MAX} different hours, 1 to {REMINDER_HOURS_MAX}"
        )


# A schema copies its fields, so several may declare the same one.
_DURATION = fields.Whole(low=1, high=MAX_MINUTES)
_BUFFER = fields.Whole(low=0, high=MAX_MINUTES)
_DESCRIPTION = fields.Text(max_chars=DESCRIPTION_MAX_CHARS, many_lines=True, allow_none=True)
_ORDER = fields.Whole(
    low=-ORDER_MAX,
    high=ORDER_MAX,
    metadata={"description": "Lists are sorted by it, then by name"},
)
_COLOR = Color(allow_none=True)
_BOOKABLE_BY = BookableBy()
_ACTIVE = fields.Flag(metadata={"description": "If not, nothing new of it is offered or booked"})
_PRACTICE = fields.Id(
    allow_none=True,
    metadata={"description": "Offered at the calendars of this practice; null: at all"},
)

_REMINDER_HOURS = ReminderHours(allow_none=True)


class CreateTypeSchema(RequestSchema[NewAppointmentType]):
    name = fields.Name(required=True)
    duration_minutes = fields.Whole(low=1, high=MAX_MINUTES, required=True)
    buffer_before_minutes = _BUFFER
    buffer_after_minutes = _BUFFER
    description = _DESCRIPTION
    order = _ORDER
    color = _COLOR
    bookable_by = _BOOKABLE_BY
    active = _ACTIVE
    practice_id = _PRACTICE
    reminder_hours = _REMINDER_HOURS


class ChangeTypeSchema(ChangeSchema[AppointmentTypeChange]):
    name = fields.Name()
    duration_minutes = _DURATION
    buffer_before_minutes = _BUFFER
    buffer_after_minutes = _BUFFER
    description = _DESCRIPTION
    order = _ORDER
    color = _COLOR
    bookable_by = _BOOKABLE_BY
    active = _ACTIVE
    practice_id = _PRACTICE
    reminder_hours = _REMINDER_HOURS


class AppointmentTypeSchema(Strict):
    id = fields.Id()
    name = fields.Text(max_chars=fields.MAX_NAME_CHARS)
    duration_minutes = _DURATION
    buffer_before_minutes = _BUFFER
    buffer_after_minutes = _BUFFER
    description = _DESCRIPTION
    order = _ORDER
    color = _COLOR
    bookable_by = _BOOKABLE_BY
    active = fields.Raw(metadata={"type": "boolean"})
    practice_id = _PRACTICE
    reminder_hours = _REMINDER_HOURS
    version = fields.Raw(metadata={"type": "integer"})


class TypeChangedSchema(Strict):
    """That a type changed which patients may not book."""

    type_id = fields.Id(data_key="id")
    version = fields.Raw(metadata={"type": "integer"})


CREATE_TYPE: Final = CreateTypeSchema()
CHANGE_TYPE: Final = ChangeTypeSchema()
APPOINTMENT_TYPE: Final = AppointmentTypeSchema()
TYPE_CHANGED: Final = TypeChangedSchema()
