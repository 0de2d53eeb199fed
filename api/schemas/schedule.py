"""Availability schedules: JSON in local wall time ↔ the domain's :class:`Schedule`."""

from collections.abc import Sequence
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validates_schema

from actors.domain.appointment import Appointment
from actors.domain.ids import DentistId
from actors.domain.schedule import (
    MAX_HORIZON_DAYS,
    MINUTES_PER_DAY,
    Override,
    Schedule,
    Weekday,
    WeeklyRule,
    Window,
)
from actors.ports import Names
from api.schemas.base import Strict
from api.schemas.fields import LocalDate, OneOf, TimeZone, WallTime, Whole, at_most
from api.schemas.resources import appointment_data

RULES_MAX = 200
OVERRIDES_MAX = 1_000
WINDOWS_MAX = 50
MIN_NOTICE_MAX_MINUTES = MAX_HORIZON_DAYS * MINUTES_PER_DAY


class WindowSchema(Strict):
    start = WallTime(required=True, metadata={"example": "09:00"})
    end = WallTime(required=True, metadata={"example": "17:00"})

    @validates_schema(skip_on_field_errors=True)
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["end"] <= data["start"]:
            raise ValidationError("must be later than start", "end")

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> object:
        return Window(data["start"], data["end"])


class RuleSchema(WindowSchema):
    class Meta(Strict.Meta):
        fields = ("weekday", "start", "end")

    weekday = OneOf(tuple(Weekday), required=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> object:
        return WeeklyRule(weekday=data["weekday"], window=Window(data["start"], data["end"]))

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return getattr(obj if attr == "weekday" else obj.window, attr, default)


class OverrideSchema(Strict):
    date = LocalDate(required=True, metadata={"example": "2027-03-08"})
    windows = fields.List(
        fields.Nested(WindowSchema),
        required=True,
        validate=at_most(WINDOWS_MAX, "windows"),
        metadata={"description": "Replace that day's rules; an empty list closes it"},
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Override:
        return Override(date=data["date"], windows=tuple(data["windows"]))


class ScheduleSchema(Strict):
    """What ``PUT /api/availability/{dentistId}`` takes: the schedule whole."""

    time_zone = TimeZone(required=True)
    slot_step_minutes = Whole(low=1, high=MINUTES_PER_DAY, load_default=15)
    min_notice_minutes = Whole(low=0, high=MIN_NOTICE_MAX_MINUTES, load_default=0)
    horizon_days = Whole(low=1, high=MAX_HORIZON_DAYS, load_default=365)
    rules = fields.List(
        fields.Nested(RuleSchema), required=True, validate=at_most(RULES_MAX, "rules")
    )
    overrides = fields.List(
        fields.Nested(OverrideSchema),
        load_default=list,
        validate=at_most(OVERRIDES_MAX, "overrides"),
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> dict[str, Schedule]:
        rules, overrides = tuple(data.pop("rules")), tuple(data.pop("overrides"))
        return {"schedule": Schedule(**data, rules=rules, overrides=overrides)}


class AvailabilitySchema(Strict):
    """What ``GET /api/availability/{dentistId}`` shows."""

    time_zone = TimeZone()
    slot_step_minutes = Whole(low=1, high=MINUTES_PER_DAY)
    min_notice_minutes = Whole(low=0, high=MIN_NOTICE_MAX_MINUTES)
    horizon_days = Whole(low=1, high=MAX_HORIZON_DAYS)
    rules = fields.List(fields.Nested(RuleSchema))
    overrides = fields.List(fields.Nested(OverrideSchema))
    version = fields.Raw(metadata={"type": "integer"})


SCHEDULE: Final = ScheduleSchema()
AVAILABILITY: Final = AvailabilitySchema()


def availability_data(
    dentist_id: DentistId,
    schedule: Schedule,
    affected: Sequence[Appointment] | None = None,
    names: Names | None = None,
) -> dict[str, Any]:
    """``affected`` are shown only in the dentist's own answer to a change."""
    shown = {"dentist_id": dentist_id, **AVAILABILITY.dump(schedule)}
    if affected is not None:
        shown["affected_appointments"] = [appointment_data(row, names or {}) for row in affected]
    return shown
