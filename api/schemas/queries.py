"""Query strings: filters, pages, positions."""

import re
from dataclasses import dataclass
from typing import Final

from marshmallow import ValidationError, fields, validates_schema

from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.position import Position
from actors.ports.appointments import AppointmentQuery
from actors.services.requests import Cancellation, SlotRange, SlotSearch
from api.schemas.fields import (
    Flag,
    Id,
    InstantField,
    JsonField,
    OneOf,
    OneOfMany,
    Text,
    WallTime,
    Whole,
    at_most,
)
from api.schemas.strict import Loaded, RequestSchema, T

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


def _starts(which: str, *, data_key: str, required: bool = False) -> InstantField:
    metadata = {"description": f"Starts in [from, to): {which}"}
    return InstantField(data_key=data_key, required=required, metadata=metadata)


def _time_of_day(description: str) -> WallTime:
    metadata = {"description": description}
    return WallTime(load_default=None, allow_none=False, metadata=metadata)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageQuery:
    limit: int
    cursor: str | None
    """``next_cursor`` of the page before; ``None`` for the first page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientPageQuery(PageQuery):
    q: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentPageQuery(AppointmentQuery):
    cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotPageQuery(SlotSearch):
    cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaceOptions:
    dry_run: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangesQuery:
    channels: tuple[str, ...]
    since: tuple[Position | None, ...] | None
    """One for each channel; ``None``: no ``since`` was sent."""


class _RangeSchema(RequestSchema[T]):
    """``from`` and ``to`` select starts in ``[from, to)``."""

    @validates_schema
    def check_range(self, data: Loaded, **_: object) -> None:
        first, before = data.get("starts_from"), data.get("starts_before")
        if first is not None and before is not None and before <= first:
            raise ValidationError("must be later than from", "to")


class NothingSchema(RequestSchema[None]):
    """No parameters at all."""


class PageSchema(RequestSchema[PageQuery]):
    limit = _limit()
    cursor = _cursor()


class AppointmentsSchema(_RangeSchema[AppointmentPageQuery]):
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

    def make(self, data: Loaded) -> AppointmentPageQuery:
        sent = dict(data)
        statuses, sort = frozenset(sent.pop("statuses")), sent.pop("sort")
        return AppointmentPageQuery(statuses=statuses, descending=sort == "-start", **sent)


class CancelSchema(RequestSchema[Cancellation]):
    reason = OneOf(tuple(CancelReason))


class AvailabilitySlotsSchema(_RangeSchema[SlotRange | None]):
    """All three, for the slots too, or none."""

    starts_from = _starts("the first", data_key="from")
    starts_before = _starts("not included", data_key="to")
    appointment_type_id = Id()

    @validates_schema
    def check_complete(self, data: Loaded, **_: object) -> None:
        names = {"starts_from": "from", "starts_before": "to", "appointment_type_id": ""}
        missing = [shown or key for key, shown in names.items() if key not in data]
        if 0 < len(missing) < len(names):
            raise ValidationError({key: ["is needed to list slots"] for key in missing})

    def make(self, data: Loaded) -> SlotRange | None:
        return SlotRange(**data) if data else None


class ReplaceOptionsSchema(RequestSchema[ReplaceOptions]):
    dry_run = Flag(
        in_query=True,
        load_default=False,
        metadata={"description": "Only say which appointments would lie outside"},
    )


class SlotsSchema(_RangeSchema[SlotPageQuery]):
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
    time_from = _time_of_day("In the dentist's zone")
    time_to = _time_of_day("Not included")
    limit = _limit()
    cursor = _cursor()

    @validates_schema
    def check_times(self, data: Loaded, **_: object) -> None:
        first, before = data["time_from"], data["time_to"]
        if first is not None and before is not None and before <= first:
            raise ValidationError("must be later than time_from", "time_to")


class PatientsSchema(RequestSchema[PatientPageQuery]):
    limit = _limit()
    cursor = _cursor()
    q = Text(
        max_chars=200,
        load_default="",
        metadata={"description": "Part of a name; an exact telephone number or e-mail"},
    )


class SinceField(JsonField[Position | None]):
    """``epoch.offset``, or ``now`` for the channel's current position."""

    def read(self, value: object) -> Position | None:
        if value == "now":
            return None
        found = _SINCE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("must be a position like 1.42 (epoch.offset), or now")
        return Position(epoch=int(found[1]), offset=int(found[2]))


class ChangesSchema(RequestSchema[ChangesQuery]):
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
    def check_pairs(self, data: Loaded, **_: object) -> None:
        channels, since = data["channels"], data["since"]
        if since is not None and len(channels) != len(since):
            raise ValidationError("one since is needed for each channel", "since")
        if len(set(channels)) != len(channels):
            raise ValidationError("each channel once only", "channel")


NOTHING: Final = NothingSchema()
PAGE: Final = PageSchema()
APPOINTMENTS: Final = AppointmentsSchema()
CANCEL: Final = CancelSchema()
AVAILABILITY_SLOTS: Final = AvailabilitySlotsSchema()
REPLACE_OPTIONS: Final = ReplaceOptionsSchema()
SLOTS: Final = SlotsSchema()
PATIENTS: Final = PatientsSchema()
CHANGES: Final = ChangesSchema()
