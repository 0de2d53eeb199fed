"""Query strings: filters, pages, positions. Unknown parameters are refused, too."""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validates_schema

from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.position import Position
from api.schemas.fields import (
    Flag,
    Id,
    Instant,
    OneOf,
    OneOfMany,
    Text,
    WallTime,
    Whole,
    at_most,
)
from api.schemas.strict import Strict

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
CURSOR_MAX_CHARS = 1_000
DENTISTS_MAX = 100
CHANNELS_MAX = 100

_SINCE = re.compile(r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})", re.ASCII)


def _limit() -> Whole:
    return Whole(low=1, high=LIMIT_MAX, in_query=True, load_default=LIMIT_DEFAULT)


def _cursor() -> Text:
    return Text(
        max_chars=CURSOR_MAX_CHARS,
        load_default=None,
        allow_none=False,
        metadata={"description": "`next_cursor` of the page before"},
    )


def _starts(which: str, **kwargs: Any) -> Instant:
    return Instant(metadata={"description": f"Starts in [from, to): {which}"}, **kwargs)


def _time_of_day(description: str) -> WallTime:
    metadata = {"description": description}
    return WallTime(load_default=None, allow_none=False, metadata=metadata)


class _Range(Strict):
    """``from`` and ``to`` select starts in ``[from, to)``."""

    @validates_schema
    def check_range(self, data: Mapping[str, Any], **_: Any) -> None:
        first, before = data.get("starts_from"), data.get("starts_before")
        if first is not None and before is not None and before <= first:
            raise ValidationError("must be later than from", "to")


class NothingSchema(Strict):
    """No parameters at all."""


class PageSchema(Strict):
    limit = _limit()
    cursor = _cursor()


class AppointmentsQuery(_Range):
    statuses = OneOfMany(
        tuple(Status),
        data_key="status",
        load_default=list,
        metadata={"description": "Repeatable, or with commas; all but reservations if not given"},
    )
    starts_from = _starts("the first", data_key="from")
    starts_before = _starts("not included", data_key="to")
    dentist_id = Id()
    patient_id = Id()
    appointment_type_id = Id()
    sort = Text(
        max_chars=6,
        pattern=re.compile("-?start"),
        expected="must be start or -start",
        load_default="start",
        metadata={"enum": ["start", "-start"]},
    )
    limit = _limit()
    cursor = _cursor()


class CancelQuery(Strict):
    reason = OneOf(tuple(CancelReason))


class AvailabilityQuery(_Range):
    """All three, for the slots too, or none."""

    starts_from = _starts("the first", data_key="from")
    starts_before = _starts("not included", data_key="to")
    appointment_type_id = Id()

    @validates_schema
    def check_complete(self, data: Mapping[str, Any], **_: Any) -> None:
        names = {"starts_from": "from", "starts_before": "to", "appointment_type_id": ""}
        missing = [shown or key for key, shown in names.items() if key not in data]
        if 0 < len(missing) < len(names):
            raise ValidationError({key: ["is needed to list slots"] for key in missing})


class ReplaceScheduleQuery(Strict):
    dry_run = Flag(
        in_query=True,
        load_default=False,
        metadata={"description": "Only say which appointments would lie outside"},
    )


class SlotsQuery(_Range):
    dentist_ids = fields.List(
        Id(),
        data_key="dentist_id",
        load_default=list,
        validate=at_most(DENTISTS_MAX, "dentists"),
        metadata={"description": "Repeatable; every dentist if not given"},
    )
    appointment_type_id = Id(required=True)
    starts_from = _starts("the first", data_key="from", required=True)
    starts_before = _starts("not included, at most 62 days", data_key="to", required=True)
    time_from = WallTime(
        load_default=None, allow_none=False, metadata={"description": "In the dentist's zone"}
    )
    time_to = WallTime(
        load_default=None, allow_none=False, metadata={"description": "Not included"}
    )
    limit = _limit()
    cursor = _cursor()

    @validates_schema
    def check_times(self, data: Mapping[str, Any], **_: Any) -> None:
        first, before = data["time_from"], data["time_to"]
        if first is not None and before is not None and before <= first:
            raise ValidationError("must be later than time_from", "time_to")


class PatientsQuery(PageSchema):
    q = Text(
        max_chars=200,
        load_default="",
        metadata={"description": "Part of a name; an exact telephone number or e-mail"},
    )


class SinceField(fields.Field[Position | None]):
    """``epoch.offset``; ``now`` only asks where the channel is."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Any, **kwargs: Any
    ) -> Position | None:
        if value == "now":
            return None
        found = _SINCE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("must be a position like 1.42 (epoch.offset), or now")
        return Position(epoch=int(found[1]), offset=int(found[2]))


class ChangesQuery(Strict):
    channels = fields.List(
        Text(min_chars=1, max_chars=200),
        data_key="channel",
        required=True,
        validate=at_most(CHANNELS_MAX, "channels"),
        metadata={"description": "Repeatable"},
    )
    since = fields.List(
        SinceField(),
        load_default=None,
        metadata={
            "description": "One for each channel, in their order; of a stream also none: from now"
        },
    )

    @validates_schema
    def check_pairs(self, data: Mapping[str, Any], **_: Any) -> None:
        channels, since = data["channels"], data["since"]
        if since is not None and len(channels) != len(since):
            raise ValidationError("one since is needed for each channel", "since")
        if len(set(channels)) != len(channels):
            raise ValidationError("each channel once only", "channel")


NOTHING: Final = NothingSchema()
PAGE: Final = PageSchema()
APPOINTMENTS: Final = AppointmentsQuery()
CANCEL: Final = CancelQuery()
AVAILABILITY_QUERY: Final = AvailabilityQuery()
REPLACE_SCHEDULE: Final = ReplaceScheduleQuery()
SLOTS: Final = SlotsQuery()
PATIENTS: Final = PatientsQuery()
CHANGES: Final = ChangesQuery()
