"""Schemas accept valid data only, and report errors by field in plain sentences."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.domain.appointment import Status
from actors.domain.commands import UNSET
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    ProfileId,
    parse_id,
)
from actors.domain.principal import Role
from actors.domain.refusals import ValidationFailed
from actors.domain.text import name_in
from actors.services.requests import (
    AppointmentChange,
    BookReservationRequest,
    BookSlotRequest,
    ProfileChange,
    sent_fields,
    sent_or,
)
from api.schemas import load
from api.schemas.appointment_types import CHANGE_TYPE, CREATE_TYPE
from api.schemas.bodies import (
    BOOK,
    CHANGE_APPOINTMENT,
    CHANGE_PROFILE,
    CREATE_PROFILE,
    HOLD,
)
from api.schemas.fields import instant_text, parse_instant
from api.schemas.strict import RequestSchema

ID = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
SLOT = {"dentist_id": ID, "appointment_type_id": ID, "start": "2027-03-08T09:00:00Z"}


def refused(schema: RequestSchema[Any], data: object) -> dict[str, str]:
    """The errors, by field."""
    with pytest.raises(ValidationFailed) as caught:
        load(schema, data)
    return {one.field: one.message for one in caught.value.details}


# --- instants ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2027-03-08T09:00:00Z",
        "2027-03-08T09:00Z",
        "2027-03-08t09:00:00z",
        "2027-03-08T10:00:00+01:00",
        "2027-03-08T03:30:00.000-05:30",
        "2027-03-08 09:00:00Z",
    ],
)
def test_an_instant_with_an_offset_is_read_as_utc(text: str) -> None:
    read = parse_instant(text)
    assert read == datetime(2027, 3, 8, 9, tzinfo=UTC)
    assert read.tzinfo is UTC
    assert instant_text(read) == "2027-03-08T09:00:00Z"


def test_a_fraction_of_a_second_is_shown_only_if_it_is_not_zero() -> None:
    assert instant_text(parse_instant("2027-03-08T09:00:00.5Z")) == "2027-03-08T09:00:00.500000Z"


@pytest.mark.parametrize("text", ["2027-03-08T09:00:00", "2027-03-08T09:00"])
def test_an_instant_without_an_offset_is_refused(text: str) -> None:
    complaint = refused(HOLD, {**SLOT, "start": text})["start"]
    assert complaint == "an instant needs an offset, e.g. 2027-03-08T09:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        "2027-02-29T09:00:00Z",
        "2027-03-08T24:00:00Z",
        "2027-03-08T09:00:60Z",
        "2027-03-08T09:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:00Z",
        "2027-03-08",
        "2027-W10-1T09:00:00Z",
        "20270308T090000Z",
        "tomorrow",
        "٢٠٢٧-03-08T09:00:00Z",
        1_804_496_400,
        True,
        None,
        ["2027-03-08T09:00:00Z"],
    ],
)
def test_an_invalid_instant_is_refused(value: object) -> None:
    assert list(refused(HOLD, {**SLOT, "start": value})) == ["start"]


@pytest.mark.parametrize("text", ["2027-03-08T09:00:01Z", "2027-03-08T09:00:00.001Z"])
def test_appointments_start_at_whole_minutes(text: str) -> None:
    assert "whole minute" in refused(HOLD, {**SLOT, "start": text})["start"]


# --- ids, text, numbers --------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["", "42", ID[:-1], ID + "0", "{" + ID + "}", ID.replace("-", ""), 42, None, [ID]]
)
def test_an_invalid_uuid_is_refused(value: object) -> None:
    assert list(refused(HOLD, {**SLOT, "dentist_id": value})) == ["dentist_id"]
    assert parse_id(value) is None


def test_an_id_has_one_canonical_form() -> None:
    assert load(HOLD, {**SLOT, "dentist_id": ID.upper()}).dentist_id == ID


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "x" * 201),
        ("name", "two\nlines"),
        ("name", "nul\x00"),
        ("name", None),
        ("name", 42),
        ("name", "\u200b\u200d"),
        ("name", "\u3164"),
        ("name", "\u2800"),
        ("name", "\u0301"),
        ("name", "\u202eada"),
        ("name", "ada\u2066\u2069"),
        ("name", "a\u200fb"),
        ("name", "a\u00adb"),
        ("name", "a\u200db"),
        ("name", "a\rb"),
        ("name", "a\x85b"),
        ("name", "a\u2028b"),
        ("name", "a\x9bb"),
        ("name", "\ud800"),
        ("name", "Ada\ufe0f"),
        ("name", "Ada\U000e0100"),
        ("name", "a\u034fb"),
        ("name", "a\u17b5b"),
        ("name", "Ada\u2065"),
        ("name", "Ada\U000e0080"),
        ("name", "\ufe0f"),
        ("name", "a\u180eb"),
        ("email", "nobody"),
        ("email", "a@b"),
        ("email", "a b@example.com"),
        ("email", "a@b@example.com"),
        ("email", "a@.example.com"),
        ("email", "a@example..com"),
        ("email", "a@-example.com"),
        ("email", "a@example-.com"),
        ("email", "a@exam_ple.com"),
        ("email", "a@example.com."),
        ("email", "a@[127.0.0.1]"),
        ("email", "a@" + "x" * 64 + ".com"),
        ("email", '"a b"@example.com'),
        ("email", "a:b@example.com"),
        ("email", "\u00e4@example.com"),
        ("email", "a\r\nBcc:x@example.com"),
        ("email", "a%0d@exam ple.com"),
        ("email", "a@ex\u200dample.com"),
        ("email", "a@" + "\u00fc" * 300 + ".com"),
        ("email", "x" * 250 + "@example.com"),
        ("phone", "call me"),
        ("phone", "12"),
        ("phone", "\u202a+43 1 234\u202c"),
        ("phone", "+43\r1 234"),
        ("phone", "\u0661\u0662\u0663\u0664"),
        ("phone", "+43 " + "1" * 50),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "America"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "/etc/localtime"),
        ("time_zone", "europe"),
        ("time_zone", ""),
        ("time_zone", 1),
        ("time_zone", "localtime"),
        ("time_zone", "posixrules"),
        ("time_zone", "Factory"),
        ("time_zone", "right/Europe/Vienna"),
        ("time_zone", "posix/Europe/Vienna"),
        ("time_zone", "posix"),
        ("time_zone", "europe/vienna"),
        ("time_zone", "Europe/Vienna "),
        ("time_zone", "Europe//Vienna"),
        ("time_zone", "Europe/Vienna\n"),
        ("time_zone", "Europe/Vienna\0"),
        ("time_zone", "UTC+1"),
        ("time_zone", "+01:00"),
        ("time_zone", "tzdata.zi"),
        ("time_zone", "zone1970.tab"),
        ("time_zone", "/usr/share/zoneinfo/Europe/Vienna"),
        ("time_zone", ["UTC"]),
        ("time_zone", {}),
    ],
)
def test_profile_fields_have_bounds(field: str, value: object) -> None:
    assert list(refused(CHANGE_PROFILE, {field: value})) == [field]


@pytest.mark.parametrize(
    "name",
    [
        *("Ada", "José Ñandú", "O'Brien-Smith", "Dr. Ünal", "100%_sure", "N\u0303o\u0301"),
        *(
            "李雷",
            "山田　太郎",
            "김철수",
            "葛\U000e0100城",
            "Σωκράτης",
            "חיים",
            "محمد",
            "Иван",
            "መስፍን",
        ),
        *(
            "അനില്\u200d",
            "ക്\u200c മ",
            "ᠮᠣᠩᠭᠣᠯ\u180eᠠ",
            "ᠰᠠ\u180bᠭ",
            "辻\U000e0100",
            "\u2764\ufe0f Whitening",
        ),
        *("می‌خواهم", "क्‍ष", "ශ්‍රී", "श्री", "นภา", "A. B."),
    ],
)
def test_names_of_every_script_are_names(name: str) -> None:
    assert load(CHANGE_PROFILE, {"name": name}).name == name
    assert load(CHANGE_TYPE, {"name": name}).name == name
    assert name_in(name) == name


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a.b+c@example.com", "a.b+c@example.com"),
        ("a?b&c=d%{}|'#/`^~!$*@example.co.uk", "a?b&c=d%{}|'#/`^~!$*@example.co.uk"),
        (" Pat@Example.COM ", "Pat@Example.COM"),
        ("pat@stra\u00dfe.example", "pat@xn--strae-oqa.example"),
        ("pat@M\u00dcNCHEN.example", "pat@xn--mnchen-3ya.example"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
def test_addresses_have_the_form_of_html(sent: str, stored: str) -> None:
    assert load(CHANGE_PROFILE, {"email": sent}).email == stored


@pytest.mark.parametrize(
    "phone", ["+49\u00a030\u00a01234567", "030\u20111234567", "030 12\u201334"]
)
def test_numbers_may_be_copied_with_the_dashes_and_blanks_of_print(phone: str) -> None:
    assert load(CHANGE_PROFILE, {"phone": phone}).phone == phone


def test_lines_of_notes_end_with_a_line_feed() -> None:
    sent = "a\r\nb\rc\u2028d\u2029e\x85f\x0bg\x0ch\n\ri\tj"
    assert load(CHANGE_APPOINTMENT, {"notes": sent}).notes == "a\nb\nc\nd\ne\nf\ng\nh\n\ni\tj"
    for odd in ("\x00", "\x07", "\x1b[31m", "\x9b", "\ud800", "\uffff"):
        assert refused(CHANGE_APPOINTMENT, {"notes": f"a{odd}b"}).keys() == {"notes"}


def test_optional_profile_fields_may_be_removed() -> None:
    emptied = {"email": None, "phone": None, "time_zone": None}
    assert load(CHANGE_PROFILE, emptied) == ProfileChange(email=None, phone=None, time_zone=None)


def test_a_field_that_was_not_sent_differs_from_null() -> None:
    change = load(CHANGE_PROFILE, {"email": None})
    assert (change.email, change.phone) == (None, UNSET)
    assert sent_fields(change) == {"email": None}
    assert sent_or(change.phone, "kept") == "kept"
    assert sent_or(change.email, "kept") is None


def test_text_is_stripped_and_may_be_of_any_script() -> None:
    assert load(CHANGE_PROFILE, {"name": "  Źdź Łukasz 李 "}).name == "Źdź Łukasz 李"


def test_notes_may_have_lines_and_two_thousand_characters() -> None:
    for notes in ("one\ntwo\tthree", "x" * 2_000, "", None):
        assert load(CHANGE_APPOINTMENT, {"notes": notes}) == AppointmentChange(notes=notes)
    assert list(refused(CHANGE_APPOINTMENT, {"notes": "x" * 2_001})) == ["notes"]
    assert list(refused(CHANGE_APPOINTMENT, {"notes": "\x1b[31m"})) == ["notes"]


@pytest.mark.parametrize("value", [0, 1441, -5, "30", 30.0, True, None, 10**30])
def test_a_duration_is_a_whole_number_of_minutes_up_to_a_day(value: object) -> None:
    body = {"name": "Check-up", "duration_minutes": value}
    assert list(refused(CREATE_TYPE, body)) == ["duration_minutes"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", "x" * 1_001),
        ("order", 10_000),
        ("order", "1"),
        ("color", "red"),
        ("color", "#12345"),
        ("color", "#1234567"),
        ("color", "#12345g"),
        ("color", "１#12345"),
        ("bookable_by", []),
        ("bookable_by", ["dentist"]),
        ("bookable_by", ["patient", "patient"]),
        ("bookable_by", ["patient", 1]),
        ("bookable_by", "patient"),
        ("bookable_by", None),
        ("reminder_hours", [0]),
        ("reminder_hours", [721]),
        ("reminder_hours", [3, 3]),
        ("reminder_hours", [1, 2, 3, 4, 5, 6]),
        ("reminder_hours", [True]),
        ("reminder_hours", 3),
        ("active", "yes"),
        ("practice_id", "here"),
    ],
)
def test_a_wrong_field_of_a_type_is_named(name: str, value: object) -> None:
    assert list(refused(CHANGE_TYPE, {name: value})) == [name]
    body = {"name": "Check-up", "duration_minutes": 30, name: value}
    assert list(refused(CREATE_TYPE, body)) == [name]


def test_the_fields_of_a_type_are_kept_in_one_form() -> None:
    sent = {"bookable_by": ["staff", "patient"], "color": "#1F7A8C", "practice_id": None}
    change = load(CHANGE_TYPE, sent)
    assert change.bookable_by == (Role.PATIENT, Role.STAFF)
    assert (change.color, change.practice_id) == ("#1f7a8c", None)
    assert load(CHANGE_TYPE, {"bookable_by": ["staff"]}).bookable_by == (Role.STAFF,)


@pytest.mark.parametrize("value", ["true", 1, 0, None])
def test_a_flag_is_exactly_true_or_false(value: object) -> None:
    assert list(refused(CHANGE_APPOINTMENT, {"overbook": value})) == ["overbook"]


# --- forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, [], "text", 42])
def test_a_body_is_an_object(data: object) -> None:
    assert list(refused(HOLD, data)) == ["body"]


def test_unknown_fields_are_refused() -> None:
    assert refused(HOLD, {**SLOT, "patient_id": ID}) == {"patient_id": "Unknown field."}


def test_a_booking_is_of_a_reservation_or_of_a_slot() -> None:
    reservation = BookReservationRequest(reservation_id=AppointmentId(ID))
    assert load(BOOK, {"reservation_id": ID}) == reservation
    assert load(BOOK, {**SLOT, "patient_id": ID, "overbook": True}) == BookSlotRequest(
        dentist_id=DentistId(ProfileId(ID)),
        appointment_type_id=AppointmentTypeId(ID),
        start=datetime(2027, 3, 8, 9, tzinfo=UTC),
        patient_id=ProfileId(ID),
        overbook=True,
    )
    assert list(refused(BOOK, {})) == ["dentist_id", "appointment_type_id", "start"]
    assert list(refused(BOOK, {"dentist_id": ID, "start": SLOT["start"]})) == [
        "appointment_type_id"
    ]
    assert set(refused(BOOK, {"reservation_id": ID, **SLOT})) == set(SLOT)
    assert list(refused(BOOK, {"reservation_id": ID, "patient_id": ID})) == ["patient_id"]


def test_a_change_without_fields_is_refused() -> None:
    assert refused(CHANGE_APPOINTMENT, {}) == {"body": "at least one field to change is needed"}


def test_statuses_and_reasons_are_loaded_as_enums() -> None:
    assert load(CHANGE_APPOINTMENT, {"status": "no_show"}).status is Status.NO_SHOW
    assert load(CREATE_PROFILE, {"role": "dentist", "name": "A"}).role is Role.DENTIST
    assert list(refused(CHANGE_APPOINTMENT, {"status": "late"})) == ["status"]
    assert list(refused(CREATE_PROFILE, {"role": "system", "name": "A"})) == ["role"]


def test_the_list_of_errors_is_bounded() -> None:
    data: dict[str, Any] = {"k" * 1_000 + str(n): n for n in range(1_000)}
    with pytest.raises(ValidationFailed) as caught:
        load(HOLD, data)
    assert len(caught.value.details) == 50
    assert all(len(one.field) <= 100 for one in caught.value.details)
