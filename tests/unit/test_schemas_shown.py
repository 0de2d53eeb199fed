"""The exact JSON of resources, events and catch-up."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from marshmallow import Schema

from actors.domain.announcements import (
    AvailabilityChangedBody,
    Body,
    ScheduleBody,
    TypeChangedBody,
)
from actors.domain.appointment import AppointmentType, Status
from actors.domain.author import Author
from actors.domain.changed_slots import SlotsChangedBody
from actors.domain.channels import AVAILABILITY_ALL, Channel
from actors.domain.ids import EventId, PracticeId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Role
from actors.domain.refusals import ValidationFailed
from actors.domain.schedule import (
    DailyLimit,
    Override,
    ReservedBlock,
    Schedule,
    TimeOff,
    Weekday,
    WeeklyRule,
    Window,
)
from actors.ports.events import EventRecord
from actors.services.availability import Slot
from actors.services.changes import ChannelChanges
from api.schemas import channel_json, channels_json, envelope, load, render
from api.schemas.pages import SlotSchema
from api.schemas.resources import AppointmentSchema, ProfileSchema, Shown, appointment_data
from api.schemas.schedule import AVAILABILITY, SCHEDULE
from api.schemas.strict import Strict
from tests.unit.api_world import DENTIST, NAMES, PATIENT, PROFILE, ROW, TYPE, appointment

AT = datetime(2027, 3, 8, 9, tzinfo=UTC)


def shown(body: Body) -> Any:
    return orjson.loads(render(body, NAMES))


# --- bodies --------------------------------------------------------------------------


def test_an_appointment() -> None:
    assert shown(appointment(notes="n")) == {
        "id": ROW,
        "dentist_id": DENTIST,
        "patient_id": PATIENT,
        "appointment_type_id": TYPE,
        "start": "2027-03-08T09:00:00Z",
        "end": "2027-03-08T09:30:00Z",
        "status": "confirmed",
        "version": 3,
        "overbooked": False,
        "created_via": "patient",
        "notes": "n",
        "cancel_reason": None,
        "patient_confirmed_at": None,
        "created_at": "2027-02-01T08:00:00.123456Z",
        "updated_at": "2027-02-01T08:00:00Z",
        "patient": {"id": PATIENT, "name": "Pat Ient"},
        "dentist": {"id": DENTIST, "name": "Dr Dent"},
    }


def test_a_held_appointment_has_its_expiry() -> None:
    held = appointment(status=Status.HELD, expires_at=AT)
    assert appointment_data(held, NAMES)["expires_at"] == "2027-03-08T09:00:00Z"


def test_a_reservation() -> None:
    held = appointment(status=Status.HELD, expires_at=AT.replace(microsecond=1))
    assert shown(held) == {
        "id": ROW,
        "dentist_id": DENTIST,
        "patient_id": PATIENT,
        "appointment_type_id": TYPE,
        "start": "2027-03-08T09:00:00Z",
        "end": "2027-03-08T09:30:00Z",
        "expires_at": "2027-03-08T09:00:00.000001Z",
        "status": "held",
        "version": 3,
        "patient": {"id": PATIENT, "name": "Pat Ient"},
        "dentist": {"id": DENTIST, "name": "Dr Dent"},
    }


def test_changed_slots_have_times_but_no_people() -> None:
    block = appointment().blocked
    assert block is not None
    body = SlotsChangedBody(dentist_id=DENTIST, taken=(block,), freed=(), refetch=(block,))
    interval = {"start": "2027-03-08T09:00:00Z", "end": "2027-03-08T09:30:00Z"}
    assert shown(body) == {
        "dentist_id": DENTIST,
        "taken": [{**interval, "buffer_before_minutes": 0, "buffer_after_minutes": 10}],
        "freed": [],
        "refetch": [interval],
    }


def test_a_changed_availability_a_type_and_a_profile() -> None:
    assert shown(AvailabilityChangedBody(dentist_id=DENTIST, version=2)) == {
        "dentist_id": DENTIST,
        "version": 2,
    }
    kind = AppointmentType(
        id=TYPE,
        name="Check-up",
        duration_minutes=30,
        buffer_after_minutes=5,
        description="A look\nat all",
        order=-2,
        color="#1f7a8c",
        bookable_by=(Role.STAFF,),
        active=False,
        practice_id=PracticeId(DENTIST),
        reminder_hours=(48, 3),
    )
    assert shown(TypeChangedBody(type_id=TYPE, version=2)) == {"id": TYPE, "version": 2}
    assert shown(kind) == {
        "id": TYPE,
        "name": "Check-up",
        "duration_minutes": 30,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 5,
        "description": "A look\nat all",
        "order": -2,
        "color": "#1f7a8c",
        "bookable_by": ["staff"],
        "active": False,
        "practice_id": DENTIST,
        "reminder_hours": [48, 3],
        "version": 1,
    }
    never = {"given": False, "at": None, "source": None}
    assert shown(replace(PROFILE, subject="secret")) == {
        "id": PATIENT,
        "role": "patient",
        "name": "Pat Ient",
        "email": "pat@example.com",
        "phone": None,
        "time_zone": None,
        "practice_id": None,
        "active": True,
        "date_of_birth": None,
        "language": None,
        "consent": {"email": never, "sms": never},
        "version": 1,
    }


def test_affected_appointments_are_shown_only_if_given() -> None:
    schedule = Schedule(time_zone="Europe/Vienna")
    published = shown(ScheduleBody(dentist_id=DENTIST, schedule=schedule))
    assert "affected_appointments" not in published
    answered = shown(ScheduleBody(dentist_id=DENTIST, schedule=schedule, affected=(appointment(),)))
    assert [row["id"] for row in answered["affected_appointments"]] == [ROW]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (SlotSchema, Slot(dentist_id=DENTIST, appointment_type_id=TYPE, start=AT, end=AT)),
        (AppointmentSchema, Shown(appointment(expires_at=AT), NAMES)),
        (ProfileSchema, PROFILE),
    ],
)
def test_schemas_dump_the_same_as_marshmallow(schema: type[Strict], value: object) -> None:
    class Plain(schema):  # type: ignore[misc, valid-type]  # mypy knows no classes from parameters
        _serialize = Schema._serialize

    assert schema().dump(value) == Plain().dump(value)
    assert schema(many=True).dump([value]) == Plain(many=True).dump([value])


# --- schedules -----------------------------------------------------------------------

SENT: dict[str, Any] = {
    "time_zone": "America/New_York",
    "slot_step_minutes": 20,
    "min_notice_minutes": 60,
    "horizon_days": 90,
    "rules": [{"weekday": "monday", "start": "09:00", "end": "24:00"}],
    "overrides": [
        {"date": "2028-02-29", "windows": [{"start": "00:00", "end": "12:30"}]},
        {"date": "2027-12-24", "windows": []},
    ],
    "cancel_notice_minutes": 1440,
    "time_off": [
        {"start_date": "2027-12-24", "end_date": "2027-12-31", "start": "12:00", "end": "24:00"}
    ],
    "reserved_blocks": [
        {"weekday": "monday", "start": "11:00", "end": "12:00", "opens_minutes_before": 1440}
    ],
    "daily_limits": [{"appointment_type_id": TYPE, "per_day": 2}],
    "appointment_type_ids": [TYPE],
}


def test_a_schedule_is_shown_as_it_was_sent() -> None:
    schedule = load(SCHEDULE, SENT)
    assert schedule == Schedule(
        time_zone="America/New_York",
        slot_step_minutes=20,
        min_notice_minutes=60,
        horizon_days=90,
        rules=(WeeklyRule(weekday=Weekday.MONDAY, window=Window(540, 1440)),),
        overrides=(
            Override(date=date(2028, 2, 29), windows=(Window(0, 750),)),
            Override(date=date(2027, 12, 24), windows=()),
        ),
        cancel_notice_minutes=1440,
        time_off=(TimeOff(start_date=date(2027, 12, 24), end_date=date(2027, 12, 31), start=720),),
        reserved_blocks=(
            ReservedBlock(
                weekday=Weekday.MONDAY, window=Window(660, 720), opens_minutes_before=1440
            ),
        ),
        daily_limits=(DailyLimit(appointment_type_id=TYPE, per_day=2),),
        appointment_type_ids=(TYPE,),
    )
    assert AVAILABILITY.dump(schedule) == {**SENT, "version": 1}


def _rule(**changes: str) -> dict[str, str]:
    return {"weekday": "monday", "start": "09:00", "end": "17:00", **changes}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("time_zone", {"time_zone": "Nowhere"}),
        ("slot_step_minutes", {"slot_step_minutes": 0}),
        ("slot_step_minutes", {"slot_step_minutes": 1441}),
        ("min_notice_minutes", {"min_notice_minutes": -1}),
        ("horizon_days", {"horizon_days": 1096}),
        ("horizon_days", {"horizon_days": 0}),
        ("rules", {"rules": [_rule()] * 201}),
        ("rules", {"rules": None}),
        ("cancel_notice_minutes", {"cancel_notice_minutes": -1}),
        (
            "time_off.0.end_date",
            {"time_off": [{"start_date": "2027-12-31", "end_date": "2027-12-24"}]},
        ),
        (
            "time_off.0.end",
            {
                "time_off": [
                    {
                        "start_date": "2027-12-24",
                        "end_date": "2027-12-24",
                        "start": "12:00",
                        "end": "12:00",
                    }
                ]
            },
        ),
        ("reserved_blocks.0.opens_minutes_before", {"reserved_blocks": [_rule()]}),
        (
            "daily_limits.0.appointment_type_id",
            {"daily_limits": [{"appointment_type_id": "x", "per_day": 1}]},
        ),
        (
            "daily_limits.0.per_day",
            {"daily_limits": [{"appointment_type_id": TYPE, "per_day": -1}]},
        ),
        ("appointment_type_ids.0", {"appointment_type_ids": [7]}),
        ("rules.0.weekday", {"rules": [_rule(weekday="Monday")]}),
        ("rules.0.start", {"rules": [_rule(start="9:00")]}),
        ("rules.0.start", {"rules": [_rule(start="09:60")]}),
        ("rules.0.end", {"rules": [_rule(end="24:01")]}),
        ("rules.0.end", {"rules": [_rule(end="09:00")]}),
        ("rules.1.end", {"rules": [_rule(), _rule(end="08:00")]}),
        ("rules.0.end", {"rules": [_rule(start="24:00", end="24:00")]}),
        ("rules.0.break", {"rules": [_rule(**{"break": "12:00"})]}),
        ("overrides.0.date", {"overrides": [{"date": "2027-02-29", "windows": []}]}),
        ("overrides.0.date", {"overrides": [{"date": "9999-12-31", "windows": []}]}),
        ("overrides.0.windows", {"overrides": [{"date": "2027-03-08"}]}),
        ("overrides", {"overrides": [{"date": "2027-03-08", "windows": []}] * 1001}),
        ("version", {"version": 3}),
        ("dentist_id", {"dentist_id": DENTIST}),
    ],
)
def test_an_invalid_schedule_is_refused_with_the_field(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed) as caught:
        load(SCHEDULE, {**SENT, **changes})
    assert [one.field for one in caught.value.details] == [field]


def test_a_schedule_needs_time_zone_and_rules() -> None:
    with pytest.raises(ValidationFailed) as caught:
        load(SCHEDULE, {})
    assert {one.field for one in caught.value.details} == {"time_zone", "rules"}


# --- events --------------------------------------------------------------------------

RECORD = EventRecord(
    channel=AVAILABILITY_ALL,
    position=Position(7, 42),
    event_id=EventId("e-42"),
    type="availability.changed",
    time=AT.replace(microsecond=5),
    payload=b'{"dentist_id":"d","version":2}',
)


def test_an_envelope_embeds_the_stored_payload_unchanged() -> None:
    assert envelope(RECORD) == (
        b'{"id":"e-42","type":"availability.changed","channel":"availability:all","offset":42,'
        b'"epoch":7,"time":"2027-03-08T09:00:00.000005Z",'
        b'"data":{"dentist_id":"d","version":2}}'
    )


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        ("appointments:dentist:d", {"id": "s", "name": "Ruth Kern", "role": "staff"}),
        ("appointments:patient:p", {"role": "staff"}),
        ("profiles:dentist:d", {"role": "staff"}),
        ("practices:a", {"role": "staff"}),
        ("availability:dentist:d", None),
    ],
)
def test_an_envelope_names_the_author_only_in_the_channel_of_a_calendar(
    channel: str, shown: dict[str, str] | None
) -> None:
    staff = Author(role=Role.STAFF, id=ProfileId("s"), name="Ruth Kern")
    record = replace(RECORD, channel=Channel(channel), by=staff)
    assert orjson.loads(envelope(record)).get("by") == shown


def test_a_catch_up_shows_each_channel_with_its_events() -> None:
    changes = ChannelChanges(
        channel=AVAILABILITY_ALL,
        recovered=True,
        events=(RECORD,),
        more=True,
        position=Position(7, 42),
    )
    answer = orjson.loads(channels_json([changes]))
    assert answer == {"channels": {"availability:all": orjson.loads(channel_json(changes))}}
    one = answer["channels"]["availability:all"]
    assert (one["recovered"], one["more"], one["epoch"], one["offset"]) == (True, True, 7, 42)
    assert one["events"] == [orjson.loads(envelope(RECORD))]
