"""Query strings: filters, pages, positions."""

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from marshmallow import ValidationError, pre_load, validates_schema

from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Role
from actors.domain.schedule import StaffTerms
from actors.domain.values import value
from actors.ports.appointments import AppointmentQuery
from actors.services.requests import Cancellation, SlotRange, SlotSearch
from api.schemas import fields
from api.schemas.strict import Loaded, RequestSchema, T

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
CURSOR_MAX_CHARS = 1_000
DENTISTS_MAX = 100
CHANNELS_MAX = 100

POSITION: Final = re.compile(r"(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})")


# A schema copies its fields, so several may declare the same one.
LIMIT = fields.Whole(low=1, high=LIMIT_MAX, in_query=True, load_default=LIMIT_DEFAULT)
CURSOR = fields.Text(
    max_chars=CURSOR_MAX_CHARS,
    pattern=re.compile("[A-Za-z0-9_-]+"),
    expected="does not belong to this list",
    metadata={"description": "`next_cursor` of the page before"},
)


def _starts(
    data_key: str, *, last: str = "not included", required: bool = False
) -> fields.InstantField:
    which = "the first" if data_key == "from" else last
    metadata = {"description": f"Starts in [from, to): {which}"}
    return fields.InstantField(data_key=data_key, required=required, metadata=metadata)


@value
class PageQuery:
    limit: int
    cursor: str | None = None
    """``next_cursor`` of the page before; ``None`` for the first page."""


@value
class PatientPageQuery(PageQuery):
    q: str


@value
class AppointmentPageQuery(AppointmentQuery):
    cursor: str | None = None


@value
class SlotPageQuery(SlotSearch):
    cursor: str | None = None


@value
class ReplaceOptions:
    dry_run: bool


@value
class ChangesQuery:
    channels: tuple[Channel, ...]
    since: tuple[Position | None, ...] | None = None
    """One for each channel; ``None``: no ``since`` was sent."""


class _RangeSchema(RequestSchema[T]):
    """``from`` and ``to`` select starts in ``[from, to)``."""

    @validates_schema
    def check_range(self, data: Loaded, **_: object) -> None:
        given = {"starts_from", "starts_before"} <= data.keys()
        if given and data["starts_before"] <= data["starts_from"]:
            raise ValidationError("must be later than from", "to")


class NothingSchema(RequestSchema[None]):
    """No parameters at all."""


class PageSchema(RequestSchema[PageQuery]):
    limit = LIMIT
    cursor = CURSOR


class AppointmentsSchema(_RangeSchema[AppointmentPageQuery]):
    statuses = fields.OneOfMany(
        Status,
        data_key="status",
        metadata={"description": "Repeatable, or with commas; all but reservations if not given"},
    )
    starts_from = _starts("from")
    starts_before = _starts("to")
    updated_since = fields.InstantField(
        metadata={"description": "Only those that changed at this instant or later"}
    )
    dentist_ids = fields.Items(
        fields.Id(),
        what="dentists",
        most=DENTISTS_MAX,
        data_key="dentist_id",
        metadata={"description": "Repeatable; every dentist if not given"},
    )
    patient_id = fields.Id()
    appointment_type_id = fields.Id()
    sort = fields.Text(
        max_chars=6,
        pattern=re.compile("-?start"),
        expected="must be start or -start",
        load_default="start",
        metadata={"enum": ["start", "-start"]},
    )
    limit = LIMIT
    cursor = CURSOR

    def make(self, data: Loaded) -> AppointmentPageQuery:
        sent = dict(data)
        statuses, sort = frozenset(sent.pop("statuses", ())), sent.pop("sort")
        return AppointmentPageQuery(statuses=statuses, descending=sort == "-start", **sent)


class CancelSchema(RequestSchema[Cancellation]):
    reason = fields.OneOf(CancelReason)


class AvailabilitySlotsSchema(_RangeSchema[SlotRange | None]):
    """All three, for the slots too, or none."""

    starts_from = _starts("from")
    starts_before = _starts("to")
    appointment_type_id = fields.Id()

    @validates_schema
    def check_complete(self, data: Loaded, **_: object) -> None:
        names = {"starts_from": "from", "starts_before": "to", "appointment_type_id": ""}
        missing = [shown or key for key, shown in names.items() if key not in data]
        if 0 < len(missing) < len(names):
            raise ValidationError({key: ["is needed to list slots"] for key in missing})

    def make(self, data: Loaded) -> SlotRange | None:
        return SlotRange(**data) if data else None


class ReplaceOptionsSchema(RequestSchema[ReplaceOptions]):
    dry_run = fields.Flag(
        in_query=True,
        load_default=False,
        metadata={"description": "Only say which appointments would lie outside"},
    )


_STAFF_TERMS: Final = ("ignore_notice", "ignore_horizon")


class SlotsSchema(_RangeSchema[SlotPageQuery]):
    dentist_ids = fields.Items(
        fields.Id(),
        what="dentists",
        most=DENTISTS_MAX,
        data_key="dentist_id",
        metadata={"description": "Repeatable; every dentist if not given"},
    )
    appointment_type_id = fields.Id(required=True)
    starts_from = _starts("from", required=True)
    starts_before = _starts("to", last="not included, at most 62 days", required=True)
    time_from = fields.WallTime(metadata={"description": "In the dentist's zone"})
    time_to = fields.WallTime(metadata={"description": "Not included"})
    seen_as = fields.OneOf(
        (Role.STAFF,),
        data_key="as",
        metadata={
            "description": "By staff and dentists: times of the calendars that they manage, also"
            " of types that only staff book"
        },
    )
    ignore_notice = fields.Flag(
        in_query=True, metadata={"description": "With `as=staff`: from now on"}
    )
    ignore_horizon = fields.Flag(
        in_query=True, metadata={"description": "With `as=staff`: up to 1,095 days ahead"}
    )
    limit = LIMIT
    cursor = CURSOR

    def make(self, data: Loaded) -> SlotPageQuery:
        sent = dict(data)
        ignored = {name: sent.pop(name) for name in _STAFF_TERMS if name in sent}
        terms = StaffTerms(**ignored) if sent.pop("seen_as", None) else None
        return SlotPageQuery(terms=terms, **sent)

    @validates_schema
    def check_terms(self, data: Loaded, **_: object) -> None:
        sent = [name for name in _STAFF_TERMS if name in data]
        if sent and "seen_as" not in data:
            raise ValidationError({name: ["goes with as=staff"] for name in sent})

    @pre_load
    def one_is_a_list(self, data: Mapping[str, object], **_: object) -> Mapping[str, object]:
        """In a query one dentist is written like many; data of a socket may name one."""
        one = data.get("dentist_id")
        return {**data, "dentist_id": [one]} if isinstance(one, str) else data

    @validates_schema
    def check_times(self, data: Loaded, **_: object) -> None:
        if {"time_from", "time_to"} <= data.keys() and data["time_to"] <= data["time_from"]:
            raise ValidationError("must be later than time_from", "time_to")


class PatientsSchema(RequestSchema[PatientPageQuery]):
    limit = LIMIT
    cursor = CURSOR
    q = fields.Text(
        max_chars=200,
        load_default="",
        metadata={
            "description": "Beginnings of words of the name, of a telephone number or e-mail, the"
            " last digits of a number, a date of birth: each part must hold"
        },
    )


class SinceField(fields.JsonField[Position | None]):
    """``epoch.offset``, or ``now`` for the channel's current position."""

    form: ClassVar = {
        "type": "string",
        "pattern": rf"^(?:now|{POSITION.pattern})$",
        "example": "1.42",
    }

    def read(self, value: object) -> Position | None:
        if value == "now":
            return None
        found = POSITION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("must be a position like 1.42 (epoch.offset), or now")
        return Position(epoch=int(found[1]), offset=int(found[2]))


class ChangesSchema(RequestSchema[ChangesQuery]):
    channels = fields.Items(
        fields.ChannelName(),
        what="channels",
        most=CHANNELS_MAX,
        least=1,
        once=True,
        data_key="channel",
        required=True,
        metadata={"description": "Repeatable"},
    )
    since = fields.Items(
        SinceField(),
        what="positions",
        most=CHANNELS_MAX,
        metadata={
            "description": "One for each channel, in their order; of a stream also none: from now"
        },
    )

    @validates_schema
    def check_pairs(self, data: Loaded, **_: object) -> None:
        channels, since = data["channels"], data.get("since")
        if since is not None and len(channels) != len(since):
            raise ValidationError("one since is needed for each channel", "since")


NOTHING: Final = NothingSchema()
PAGE: Final = PageSchema()
APPOINTMENTS: Final = AppointmentsSchema()
CANCEL: Final = CancelSchema()
AVAILABILITY_SLOTS: Final = AvailabilitySlotsSchema()
REPLACE_OPTIONS: Final = ReplaceOptionsSchema()
SLOTS: Final = SlotsSchema()
PATIENTS: Final = PatientsSchema()
CHANGES: Final = ChangesSchema()
