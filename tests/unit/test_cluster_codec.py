"""Messages between nodes arrive unchanged, and invalid ones are refused."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from actors.calendar.snapshot import Snapshot
from actors.domain import commands as c
from actors.domain import refusals as r
from actors.domain.appointment import Status
from actors.domain.author import Author
from actors.domain.ids import AppointmentId, AppointmentTypeId, PatientId, PracticeId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
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
from actors.domain.slots import to_minute
from actors.ports.commits import IdempotencyKey, Reply
from actors.ports.events import EventRecord
from hub.cluster.calendars.snapshots import snapshot_json, snapshot_of
from hub.cluster.internal.codec import (
    Unreadable,
    from_json,
    refusal_json,
    refusal_of,
    to_json,
)
from hub.cluster.internal.signing import sign
from hub.cluster.stream.entries import EntryKind, StreamEntry, UnreadableEntry, decode, encode
from tests.unit.calendars import (
    ANNA,
    BEN,
    CHECKUP,
    CLEANING,
    NOW,
    at,
    calendar,
    held,
    row,
    with_schedule,
)

BY = Principal(role=Role.PATIENT, subject="sub", person=ProfileId("p"), acting="bot")
ID, KIND = AppointmentId("a"), AppointmentTypeId("t")
KEY = b"k" * 32
AT = datetime(2027, 3, 8, 9, 30, tzinfo=UTC)
SCHEDULE = Schedule(
    time_zone="America/New_York",
    min_notice_minutes=30,
    rules=(WeeklyRule(weekday=Weekday.MONDAY, window=Window(540, 1020)),),
    overrides=(Override(date=date(2027, 3, 8), windows=(Window(600, 720),)),),
    time_off=(TimeOff(start_date=date(2027, 4, 1), end_date=date(2027, 4, 2), start=600),),
    reserved_blocks=(
        ReservedBlock(weekday=Weekday.FRIDAY, window=Window(540, 600), opens_minutes_before=60),
    ),
    daily_limits=(DailyLimit(appointment_type_id=KIND, per_day=3),),
    appointment_type_ids=(KIND,),
    version=7,
)
COMMANDS = [
    c.HoldSlot(
        by=BY,
        appointment_id=ID,
        patient_id=PatientId(ProfileId("p")),
        appointment_type_id=KIND,
        start=AT,
    ),
    c.BookSlot(
        by=BY,
        appointment_id=ID,
        patient_id=PatientId(ProfileId("p")),
        appointment_type_id=KIND,
        start=AT,
        notes="ü",
        overbook=True,
    ),
    c.BookReservation(by=BY, appointment_id=ID),
    c.BookReservation(by=BY, appointment_id=ID, notes=None),
    c.ReleaseHold(by=BY, appointment_id=ID),
    c.ExpireHold(by=BY, appointment_id=ID),
    c.ChangeAppointment(
        by=BY, appointment_id=ID, expected_version=3, start=AT, status=Status.ARRIVED, notes="x"
    ),
    c.ChangeAppointment(by=BY, appointment_id=ID, overbook=False, cancel_reason=None),
    c.MoveAppointment(
        by=BY,
        appointment_id=ID,
        row=row(AT),
        notice_minutes=60,
        practice_id=PracticeId("p"),
        notes="x",
    ),
    c.MoveAppointment(by=BY, appointment_id=ID, row=row(AT, status=Status.ARRIVED)),
    c.CancelAppointment(by=BY, appointment_id=ID),
    c.ConfirmVisit(by=BY, appointment_id=ID, expected_version=2),
    c.ReplaceSchedule(by=BY, schedule=SCHEDULE, expected_version=6, dry_run=True),
]
REFUSALS = [
    r.ValidationFailed.of("field", "why"),
    r.Forbidden("so it is"),
    r.Forbidden(),
    r.ConsentRequired(),
    r.ProfileIncomplete(),
    r.NotFound("appointment"),
    r.SlotTaken(),
    r.PatientConflict(),
    r.DuplicatePatient(),
    r.MergeConflict("why"),
    r.InvalidTransition("held", "arrived"),
    r.MessageOutdated(),
    r.ReservationExpired(),
    r.VersionConflict(4),
    r.OutsideAvailability(),
    r.TooSoon(AT),
    r.TooFar(90),
    r.TooLate(),
    r.IdempotencyMismatch(),
    r.TooManyReservations(3),
    r.TooManyAppointments(10),
    r.CalendarBusy(),
    r.Unavailable(),
    r.InvalidToken("reason"),
    r.RateLimited(1.5),
]


@dataclass(frozen=True)
class _Carrier:
    """A request that contains a command."""

    command: c.Command


def _command_json(command: c.Command) -> Any:
    return to_json(_Carrier(command))["command"]


def _command_of(data: Any) -> c.Command:
    return from_json({"command": data}, _Carrier).command


def _sent(data: Any) -> Any:
    return orjson.loads(orjson.dumps(data))


def test_every_command_is_among_the_examples() -> None:
    kinds = {each for each in vars(c).values() if isinstance(each, type)}
    known = {each for each in kinds if issubclass(each, c.Command) and not each.__subclasses__()}
    assert {type(each) for each in COMMANDS} == known


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: type(each).__name__)
def test_a_command_arrives_unchanged(command: c.Command) -> None:
    assert _command_of(_sent(_command_json(command))) == command


def test_every_refusal_is_among_the_examples() -> None:
    leaves = {each for each in vars(r).values() if isinstance(each, type)}
    known = {each for each in leaves if issubclass(each, r.Refusal) and each is not r.Refusal}
    assert {type(each) for each in REFUSALS} == known


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.code)
def test_a_refusal_arrives_unchanged(refusal: r.Refusal) -> None:
    arrived = refusal_of(_sent(refusal_json(refusal)))
    assert type(arrived) is type(refusal)
    assert str(arrived) == str(refusal)
    assert tuple(arrived.details) == tuple(refusal.details)


def test_an_unknown_refusal_becomes_unavailable() -> None:
    assert isinstance(refusal_of({"code": "NEW", "given": []}), r.Unavailable)


def test_replies_and_keys_arrive_unchanged() -> None:
    reply = Reply(outcome=Outcome.CREATED, resource_id="a", version=1, body=b'{"id":"\xc3\xbc"}')
    assert from_json(_sent(to_json(reply)), Reply) == reply
    key = IdempotencyKey(scope="s", key="k", fingerprint="f", internal=True)
    assert from_json(_sent(to_json(key)), IdempotencyKey) == key


def test_unknown_fields_are_ignored_and_missing_ones_have_their_default() -> None:
    data = _sent(_command_json(COMMANDS[-1]))
    data["added_later"] = 1
    del data["dry_run"]
    arrived = _command_of(data)
    assert isinstance(arrived, c.ReplaceSchedule)
    assert arrived.dry_run is False


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "Principal"}, "no such command"),
        ({"kind": "__class__"}, "no such command"),
        ({"appointment_id": 7}, "no"),
        ({"appointment_id": None}, "no"),
        ({"by": {"role": "root", "subject": "x"}}, "no"),
        ({"start": "soon"}, "no"),
        ({"overbook": 1}, "no"),
    ],
)
def test_an_invalid_command_is_refused(change: dict[str, Any], why: str) -> None:
    data = _sent(_command_json(COMMANDS[1])) | change
    with pytest.raises(Unreadable, match=why):
        _command_of(data)


def test_an_entry_arrives_unchanged_and_other_bytes_are_refused() -> None:
    record = EventRecord(
        channel="availability:all",  # type: ignore[arg-type]  # a plain text
        position=Position(1, 2),
        event_id="e",  # type: ignore[arg-type]  # an id
        type="availability.changed",
        time=AT,
        payload=b'{"a":1}',
    )
    author = Author(role=Role.STAFF, id=ProfileId("s"), name="Ruth Kern")
    records = [record, replace(record, by=author), replace(record, by=Author(role=Role.SYSTEM))]
    entry = StreamEntry(node="n", number=3, kind=EntryKind.EVENTS, records=records, body={"x": 1})
    assert decode(encode(entry, KEY), KEY) == entry
    for body in (b"", b"[]", b"{}", b"\xff", b'{"n":1,"i":"x","k":"events","r":[],"s":{}}'):
        for other in (body, sign(KEY, body).encode() + body):
            with pytest.raises(UnreadableEntry):
                decode(other, KEY)


def test_an_entry_of_the_version_before_has_no_authors() -> None:
    row = ["availability:all", 1, 2, "e", "availability.changed", AT.isoformat(), "{}"]
    body = orjson.dumps({"n": "older", "i": 7, "k": "events", "r": [row], "s": {}})
    (record,) = decode(sign(KEY, body).encode() + body, KEY).records
    assert (record.event_id, record.by) == ("e", None)


def test_an_unknown_kind_of_entry_counts_as_received() -> None:
    body = b'{"n":"newer","i":7,"k":"weather","r":[],"s":{"x":1}}'
    entry = decode(sign(KEY, body).encode() + body, KEY)
    assert (entry.node, entry.number, entry.kind) == ("newer", 7, EntryKind.OTHER)


def test_an_entry_with_a_wrong_signature_is_refused() -> None:
    forged = encode(
        StreamEntry(node="n", number=1, kind=EntryKind.PRESENCE, body={"x": 1}), b"other"
    )
    changed = encode(StreamEntry(node="n", number=1, kind=EntryKind.BEAT), KEY).replace(
        b"beat", b"presence"
    )
    for each in (forged, changed):
        with pytest.raises(UnreadableEntry):
            decode(each, KEY)


def test_a_snapshot_offers_the_same_slots_and_contains_no_patient() -> None:
    rows = [
        held(at(9), patient_id=ANNA),
        replace(row(at(11), id="b", patient_id=BEN, kind=CLEANING), notes="a secret"),
        row(at(13), id="c", patient_id=BEN, status=Status.COMPLETED),
    ]
    limits = (DailyLimit(appointment_type_id=CHECKUP.id, per_day=30),)
    whole = calendar(rows, with_schedule(daily_limits=limits))
    here = Snapshot(
        calendar=replace(whole, completed=tuple(rows[2:])),
        position=Position(1, 5),
    )
    data = _sent(snapshot_json(here))
    there = snapshot_of(data)
    assert there.position == here.position
    for who in (None, ANNA, BEN):
        for kind in (CHECKUP, CLEANING):
            wanted: Any = {
                "first": to_minute(at(8)),
                "before": to_minute(at(18)),
                "patient_id": who,
            }
            assert there.free(kind, now=NOW, **wanted) == here.free(kind, now=NOW, **wanted)
    assert "secret" not in str(data)
    assert BEN not in str(data), "a booked row contains no patient"
