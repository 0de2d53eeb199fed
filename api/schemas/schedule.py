"""Availability schedules: JSON in local wall time ↔ the domain's :class:`Schedule`."""

from collections.abc import Sequence
from typing import Final

from marshmallow import ValidationError, validates_schema

from actors.domain import schedule as domain
from actors.domain.appointment import Appointment
from actors.domain.ids import DentistId
from actors.ports.rendering import Names
from api.schemas import fields
from api.schemas.resources import (
    AppointmentSchema,
    IntervalSchema,
    PositionSchema,
    appointment_data,
)
from api.schemas.strict import Loaded, RequestSchema, Strict, T

RULES_MAX = 200
OVERRIDES_MAX = 1_000
WINDOWS_MAX = 50
TIME_OFF_MAX = 500
BLOCKS_MAX = 100
LIMITS_MAX = 200


class _OrderedSchema(RequestSchema[T]):
    start = fields.WallTime(required=True, metadata={"example": "09:00"})
    end = fields.WallTime(required=True, metadata={"example": "17:00"})

    @validates_schema(skip_on_field_errors=True)
    def check_order(self, data: Loaded, **_: object) -> None:
        if data["end"] <= data["start"]:
            raise ValidationError("must be later than start", "end")


class WindowSchema(_OrderedSchema[domain.Window]): ...


class RuleSchema(_OrderedSchema[domain.WeeklyRule]):
    weekday = fields.OneOf(domain.Weekday, required=True)

    def make(self, data: Loaded) -> domain.WeeklyRule:
        return domain.WeeklyRule(
            weekday=data["weekday"], window=domain.Window(data["start"], data["end"])
        )

    def path(self, attribute: str) -> str:
        return attribute if attribute == "weekday" else f"window.{attribute}"


class OverrideSchema(RequestSchema[domain.Override]):
    date = fields.LocalDate(required=True, metadata={"example": "2027-03-08"})
    windows = fields.Items(
        fields.Nested(WindowSchema),
        what="windows",
        most=WINDOWS_MAX,
        required=True,
        metadata={"description": "Replace that day's rules; an empty list closes it"},
    )


class TimeOffSchema(RequestSchema[domain.TimeOff]):
    """Both dates are included; without times, all of them."""

    start_date = fields.LocalDate(required=True, metadata={"example": "2027-12-24"})
    end_date = fields.LocalDate(required=True, metadata={"example": "2027-12-31"})
    start = fields.WallTime(load_default=0, metadata={"description": "On the first date"})
    end = fields.WallTime(
        load_default=domain.MINUTES_PER_DAY, metadata={"description": "On the last date"}
    )

    @validates_schema(skip_on_field_errors=True)
    def check_order(self, data: Loaded, **_: object) -> None:
        if data["end_date"] < data["start_date"]:
            raise ValidationError("must not be before start_date", "end_date")
        if data["start"] == domain.MINUTES_PER_DAY:
            raise ValidationError("must be before 24:00", "start")
        if data["end"] == 0:
            raise ValidationError("must be after 00:00", "end")
        if data["end_date"] == data["start_date"] and data["end"] <= data["start"]:
            raise ValidationError("must be later than start", "end")


class ReservedBlockSchema(_OrderedSchema[domain.ReservedBlock]):
    weekday = fields.OneOf(domain.Weekday, required=True)
    opens_minutes_before = fields.Whole(
        low=0,
        high=domain.MAX_MIN_NOTICE_MINUTES,
        required=True,
        metadata={"description": "How long before its start patients may book it", "example": 1440},
    )

    def make(self, data: Loaded) -> domain.ReservedBlock:
        return domain.ReservedBlock(
            weekday=data["weekday"],
            window=domain.Window(data["start"], data["end"]),
            opens_minutes_before=data["opens_minutes_before"],
        )

    def path(self, attribute: str) -> str:
        return f"window.{attribute}" if attribute in ("start", "end") else attribute


class DailyLimitSchema(RequestSchema[domain.DailyLimit]):
    appointment_type_id = fields.Id(required=True)
    per_day = fields.Whole(low=0, high=1_000, required=True)


def _many(
    schema: type[Strict], what: str, most: int, *, required: bool = False
) -> fields.Items[object]:
    return fields.Items(fields.Nested(schema), what=what, most=most, required=required)


class ScheduleSchema(RequestSchema[domain.Schedule]):
    """What ``PUT /api/availability/{dentistId}`` takes: the schedule whole."""

    time_zone = fields.TimeZone(required=True)
    slot_step_minutes = fields.Whole(low=1, high=domain.MINUTES_PER_DAY, load_default=15)
    min_notice_minutes = fields.Whole(low=0, high=domain.MAX_MIN_NOTICE_MINUTES, load_default=0)
    cancel_notice_minutes = fields.Whole(
        low=0,
        high=domain.MAX_MIN_NOTICE_MINUTES,
        load_default=0,
        metadata={"description": "Until how long before the start patients may cancel or move"},
    )
    horizon_days = fields.Whole(low=1, high=domain.MAX_HORIZON_DAYS, load_default=365)
    rules = _many(RuleSchema, "rules", RULES_MAX, required=True)
    overrides = _many(OverrideSchema, "overrides", OVERRIDES_MAX)
    time_off = _many(TimeOffSchema, "time_off", TIME_OFF_MAX)
    reserved_blocks = _many(ReservedBlockSchema, "reserved_blocks", BLOCKS_MAX)
    daily_limits = _many(DailyLimitSchema, "daily_limits", LIMITS_MAX)
    appointment_type_ids = fields.Items(
        fields.Id(),
        what="appointment_type_ids",
        most=LIMITS_MAX,
        allow_none=True,
        metadata={"description": "What patients may book here; null: every type"},
    )


class AvailabilitySchema(Strict):
    """What ``GET /api/availability/{dentistId}`` shows."""

    time_zone = fields.TimeZone()
    slot_step_minutes = fields.Whole(low=1, high=domain.MINUTES_PER_DAY)
    min_notice_minutes = fields.Whole(low=0, high=domain.MAX_MIN_NOTICE_MINUTES)
    cancel_notice_minutes = fields.Whole(low=0, high=domain.MAX_MIN_NOTICE_MINUTES)
    horizon_days = fields.Whole(low=1, high=domain.MAX_HORIZON_DAYS)
    rules = fields.List(fields.Nested(RuleSchema))
    overrides = fields.List(fields.Nested(OverrideSchema))
    time_off = fields.List(fields.Nested(TimeOffSchema))
    reserved_blocks = fields.List(fields.Nested(ReservedBlockSchema))
    daily_limits = fields.List(fields.Nested(DailyLimitSchema))
    appointment_type_ids = fields.List(fields.Id(), allow_none=True)
    version = fields.Raw(metadata={"type": "integer"})
    # beside the schedule itself:
    dentist_id = fields.Id()
    slots = fields.List(
        fields.Nested(IntervalSchema),
        metadata={"description": "Only with from, to and appointment_type_id"},
    )
    position = fields.Nested(PositionSchema, metadata={"description": "Goes with slots"})
    affected_appointments = fields.List(
        fields.Nested(AppointmentSchema),
        metadata={"description": "Only answering PUT: booked, and now outside"},
    )


SCHEDULE: Final = ScheduleSchema()
AVAILABILITY: Final = AvailabilitySchema(
    exclude=["dentist_id", "slots", "position", "affected_appointments"]
)
"""Dumps the schedule itself."""


def availability_data(
    dentist_id: DentistId,
    schedule: domain.Schedule,
    affected: Sequence[Appointment] | None = None,
    names: Names | None = None,
) -> dict[str, object]:
    """``affected`` are shown only in the dentist's own answer to a change."""
    shown = {"dentist_id": dentist_id, **AVAILABILITY.dump(schedule)}
    if affected is not None:
        shown["affected_appointments"] = [appointment_data(row, names or {}) for row in affected]
    return shown
