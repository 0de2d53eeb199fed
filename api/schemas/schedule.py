"""Availability schedules: JSON in local wall time ↔ the domain's :class:`Schedule`."""

from collections.abc import Sequence
from typing import Final

from marshmallow import ValidationError, fields, validates_schema

from actors.domain.appointment import Appointment
from actors.domain.ids import DentistId
from actors.domain.schedule import (
    MAX_HORIZON_DAYS,
    MAX_MIN_NOTICE_MINUTES,
    MINUTES_PER_DAY,
    DailyLimit,
    Override,
    ReservedBlock,
    Schedule,
    TimeOff,
    Weekday,
    WeeklyRule,
    Window,
)
from actors.ports.rendering import Names
from api.schemas.fields import Id, LocalDate, OneOf, TimeZone, WallTime, Whole, at_most
from api.schemas.resources import appointment_data
from api.schemas.strict import Loaded, RequestSchema, Strict, T

RULES_MAX = 200
OVERRIDES_MAX = 1_000
WINDOWS_MAX = 50
TIME_OFF_MAX = 500
BLOCKS_MAX = 100
LIMITS_MAX = 200


def _start() -> WallTime:
    return WallTime(required=True, metadata={"example": "09:00"})


def _end() -> WallTime:
    return WallTime(required=True, metadata={"example": "17:00"})


class _OrderedSchema(RequestSchema[T]):
    @validates_schema(skip_on_field_errors=True)
    def check_order(self, data: Loaded, **_: object) -> None:
        if data["end"] <= data["start"]:
            raise ValidationError("must be later than start", "end")


class WindowSchema(_OrderedSchema[Window]):
    start = _start()
    end = _end()


class RuleSchema(_OrderedSchema[WeeklyRule]):
    weekday = OneOf(tuple(Weekday), required=True)
    start = _start()
    end = _end()

    def make(self, data: Loaded) -> WeeklyRule:
        return WeeklyRule(weekday=data["weekday"], window=Window(data["start"], data["end"]))

    def get_attribute(self, obj: WeeklyRule, attr: str, default: object) -> object:
        return getattr(obj if attr == "weekday" else obj.window, attr, default)


class OverrideSchema(RequestSchema[Override]):
    date = LocalDate(required=True, metadata={"example": "2027-03-08"})
    windows = fields.List(
        fields.Nested(WindowSchema),
        required=True,
        validate=at_most(WINDOWS_MAX, "windows"),
        metadata={"description": "Replace that day's rules; an empty list closes it"},
    )


class TimeOffSchema(RequestSchema[TimeOff]):
    """Both dates are included; without times, all of them."""

    start_date = LocalDate(required=True, metadata={"example": "2027-12-24"})
    end_date = LocalDate(required=True, metadata={"example": "2027-12-31"})
    start = WallTime(load_default=0, metadata={"description": "On the first date"})
    end = WallTime(load_default=MINUTES_PER_DAY, metadata={"description": "On the last date"})

    @validates_schema(skip_on_field_errors=True)
    def check_order(self, data: Loaded, **_: object) -> None:
        if data["end_date"] < data["start_date"]:
            raise ValidationError("must not be before start_date", "end_date")
        if data["start"] == MINUTES_PER_DAY:
            raise ValidationError("must be before 24:00", "start")
        if data["end"] == 0:
            raise ValidationError("must be after 00:00", "end")
        if data["end_date"] == data["start_date"] and data["end"] <= data["start"]:
            raise ValidationError("must be later than start", "end")


class ReservedBlockSchema(_OrderedSchema[ReservedBlock]):
    start = _start()
    end = _end()
    weekday = OneOf(tuple(Weekday), required=True)
    opens_minutes_before = Whole(
        low=0,
        high=MAX_MIN_NOTICE_MINUTES,
        required=True,
        metadata={"description": "How long before its start patients may book it", "example": 1440},
    )

    def make(self, data: Loaded) -> ReservedBlock:
        return ReservedBlock(
            weekday=data["weekday"],
            window=Window(data["start"], data["end"]),
            opens_minutes_before=data["opens_minutes_before"],
        )

    def get_attribute(self, obj: ReservedBlock, attr: str, default: object) -> object:
        return getattr(obj.window if attr in ("start", "end") else obj, attr, default)


class DailyLimitSchema(RequestSchema[DailyLimit]):
    appointment_type_id = Id(required=True)
    per_day = Whole(low=0, high=1_000, required=True)


def _many(schema: type[Strict], what: str, most: int) -> fields.List[object]:
    return fields.List(fields.Nested(schema), load_default=list, validate=at_most(most, what))


class ScheduleSchema(RequestSchema[Schedule]):
    """What ``PUT /api/availability/{dentistId}`` takes: the schedule whole."""

    time_zone = TimeZone(required=True)
    slot_step_minutes = Whole(low=1, high=MINUTES_PER_DAY, load_default=15)
    min_notice_minutes = Whole(low=0, high=MAX_MIN_NOTICE_MINUTES, load_default=0)
    cancel_notice_minutes = Whole(
        low=0,
        high=MAX_MIN_NOTICE_MINUTES,
        load_default=0,
        metadata={"description": "Until how long before the start patients may cancel or move"},
    )
    horizon_days = Whole(low=1, high=MAX_HORIZON_DAYS, load_default=365)
    rules = fields.List(
        fields.Nested(RuleSchema), required=True, validate=at_most(RULES_MAX, "rules")
    )
    overrides = _many(OverrideSchema, "overrides", OVERRIDES_MAX)
    time_off = _many(TimeOffSchema, "time_off", TIME_OFF_MAX)
    reserved_blocks = _many(ReservedBlockSchema, "reserved_blocks", BLOCKS_MAX)
    daily_limits = _many(DailyLimitSchema, "daily_limits", LIMITS_MAX)
    appointment_type_ids = fields.List(
        Id(),
        load_default=None,
        allow_none=True,
        validate=at_most(LIMITS_MAX, "appointment_type_ids"),
        metadata={"description": "What patients may book here; null: every type"},
    )


class AvailabilitySchema(Strict):
    """What ``GET /api/availability/{dentistId}`` shows."""

    time_zone = TimeZone()
    slot_step_minutes = Whole(low=1, high=MINUTES_PER_DAY)
    min_notice_minutes = Whole(low=0, high=MAX_MIN_NOTICE_MINUTES)
    cancel_notice_minutes = Whole(low=0, high=MAX_MIN_NOTICE_MINUTES)
    horizon_days = Whole(low=1, high=MAX_HORIZON_DAYS)
    rules = fields.List(fields.Nested(RuleSchema))
    overrides = fields.List(fields.Nested(OverrideSchema))
    time_off = fields.List(fields.Nested(TimeOffSchema))
    reserved_blocks = fields.List(fields.Nested(ReservedBlockSchema))
    daily_limits = fields.List(fields.Nested(DailyLimitSchema))
    appointment_type_ids = fields.List(Id(), allow_none=True)
    version = fields.Raw(metadata={"type": "integer"})


SCHEDULE: Final = ScheduleSchema()
AVAILABILITY: Final = AvailabilitySchema()


def availability_data(
    dentist_id: DentistId,
    schedule: Schedule,
    affected: Sequence[Appointment] | None = None,
    names: Names | None = None,
) -> dict[str, object]:
    """``affected`` are shown only in the dentist's own answer to a change."""
    shown = {"dentist_id": dentist_id, **AVAILABILITY.dump(schedule)}
    if affected is not None:
        shown["affected_appointments"] = [appointment_data(row, names or {}) for row in affected]
    return shown
