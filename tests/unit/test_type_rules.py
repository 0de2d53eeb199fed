"""Which appointment types a calendar offers, and to whom."""

from dataclasses import replace
from typing import Any

import pytest

from actors.domain.announcements import TypeChangedBody, announcements
from actors.domain.appointment import AppointmentType
from actors.domain.calendar import Calendar
from actors.domain.channels import AVAILABILITY_ALL, practice_channel
from actors.domain.commands import BookReservation, ChangeAppointment, Command
from actors.domain.decide import decide
from actors.domain.events import AppointmentTypeSaved
from actors.domain.ids import AppointmentId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import NotFound, OutsideAvailability, Refusal
from actors.domain.slots import to_minute
from tests.unit.calendars import (
    ANNA,
    CHECKUP,
    CLEANING,
    DENTIST,
    NOW,
    STAFF,
    at,
    book_slot,
    calendar,
    held,
    hold_slot,
    patient,
    row,
)

HERE, THERE = PracticeId("here"), PracticeId("there")
ROW, HOLD = AppointmentId("row"), AppointmentId("hold")
DOCTOR = replace(STAFF, practice=HERE)
DESK = Principal(
    role=Role.STAFF,
    subject="sue",
    person=ProfileId("sue"),
    practice=HERE,
    calendars=(DENTIST,),
)
BY_STAFF: dict[str, Any] = {"bookable_by": (Role.STAFF,)}
ONLINE: dict[str, Any] = {"bookable_by": (Role.PATIENT,)}
ENDED: dict[str, Any] = {"active": False}
ELSEWHERE: dict[str, Any] = {"practice_id": THERE}
OURS: dict[str, Any] = {"practice_id": HERE}


def with_type(rows: Any = (), **changed: Any) -> Calendar:
    kind = replace(CHECKUP, **changed)
    types = {kind.id: kind, CLEANING.id: CLEANING}
    return replace(calendar(rows), practice_id=HERE, types=types)


def refusal(command: Command, place: Calendar) -> type[Refusal] | None:
    try:
        decide(command, place, NOW)
    except Refusal as refused:
        return type(refused)
    return None


@pytest.mark.parametrize(
    ("changed", "to_patients", "to_staff"),
    [
        ({}, None, None),
        (OURS, None, None),
        (BY_STAFF, NotFound, None),
        (ONLINE, None, OutsideAvailability),
        (ENDED, NotFound, OutsideAvailability),
        (ELSEWHERE, OutsideAvailability, NotFound),
        (ELSEWHERE | BY_STAFF, NotFound, NotFound),
    ],
)
def test_every_way_to_book_a_type_has_its_rules(
    changed: dict[str, Any],
    to_patients: type[Refusal] | None,
    to_staff: type[Refusal] | None,
) -> None:
    place = with_type(**changed)
    for bot in (None, "bot"):
        by = patient(acting=bot)
        assert refusal(hold_slot(at(9), by=by), place) is to_patients
        assert refusal(book_slot(at(9), by=by), place) is to_patients
        confirm = BookReservation(by=by, appointment_id=HOLD)
        assert refusal(confirm, with_type([held(at(9))], **changed)) is to_patients
    for staff in (DOCTOR, DESK):
        assert refusal(book_slot(at(9), by=staff), place) is to_staff
        of_type = ChangeAppointment(by=staff, appointment_id=ROW, appointment_type_id=CHECKUP.id)
        cleaning = row(at(11), kind=CLEANING)
        assert refusal(of_type, with_type([cleaning], **changed)) is to_staff


@pytest.mark.parametrize("changed", [BY_STAFF, ENDED, ELSEWHERE])
def test_a_visit_keeps_its_type_and_its_patient_does_not_move_it(changed: dict[str, Any]) -> None:
    place = with_type([row(at(9))], **changed)
    for staff in (DOCTOR, DESK):
        move = ChangeAppointment(by=staff, appointment_id=ROW, start=at(10))
        assert refusal(move, place) is None
    move = ChangeAppointment(by=patient(), appointment_id=ROW, start=at(10))
    assert refusal(move, place) is OutsideAvailability
    assert refusal(replace(move, start=None, notes="x"), place) is None


@pytest.mark.parametrize(
    ("changed", "is_listed"),
    [({}, True), (OURS, True), (BY_STAFF, False), (ENDED, False), (ELSEWHERE, False)],
)
def test_a_type_is_listed_where_patients_may_book_it(
    changed: dict[str, Any], is_listed: bool
) -> None:
    place = with_type(**changed)
    first, before = to_minute(at(0)), to_minute(at(23))
    kind = place.types[CHECKUP.id]
    free = place.free(kind, first=first, before=before, now=NOW, patient_id=ANNA)
    assert bool(free) is is_listed


def test_a_calendar_without_a_practice_has_the_types_of_all_practices_only() -> None:
    assert refusal(book_slot(at(9)), replace(with_type(), practice_id=None)) is None
    ours = replace(with_type(**OURS), practice_id=None)
    assert refusal(book_slot(at(9)), ours) is OutsideAvailability
    assert refusal(book_slot(at(9), by=STAFF), ours) is NotFound


def test_a_commit_rests_on_the_types_that_can_be_booked_here() -> None:
    assert set(with_type().offered_types) == {CHECKUP.id, CLEANING.id}
    for changed in (ENDED, ELSEWHERE):
        assert set(with_type(**changed).offered_types) == {CLEANING.id}
    assert set(with_type(**BY_STAFF).offered_types) == {CHECKUP.id, CLEANING.id}


# --- who is told ---------------------------------------------------------------------------


def told(
    before: AppointmentType | None, after: AppointmentType
) -> list[tuple[tuple[str, ...], bool, bool]]:
    """Of each announcement: channels, whether also to every practice, whether it is whole."""
    found = announcements([AppointmentTypeSaved(before=before, after=after)])
    assert {each.type for each in found} == {"appointment_types.updated"}
    for each in found:
        assert each.body in (after, TypeChangedBody(type_id=after.id, version=after.version))
    return [(each.channels, each.to_practices, each.body is after) for each in found]


def test_a_type_that_patients_may_book_is_shown_to_everyone() -> None:
    assert told(None, CHECKUP) == [((AVAILABILITY_ALL,), True, True)]
    ours = replace(CHECKUP, practice_id=HERE)
    assert told(None, ours) == [((AVAILABILITY_ALL, practice_channel(HERE)), False, True)]


def test_of_another_type_everyone_learns_only_that_it_changed() -> None:
    hidden = replace(CHECKUP, bookable_by=(Role.STAFF,), version=2)
    assert told(CHECKUP, hidden) == [((AVAILABILITY_ALL,), False, False), ((), True, True)]
    ours = replace(CHECKUP, practice_id=HERE, active=False)
    theirs = replace(ours, practice_id=THERE)
    here, there = practice_channel(HERE), practice_channel(THERE)
    assert told(ours, theirs) == [
        ((AVAILABILITY_ALL, here), False, False),
        ((there,), False, True),
    ], "the practice that had it does not see what it is now"
    assert told(hidden, ours) == [((AVAILABILITY_ALL,), True, False), ((here,), False, True)]
    assert told(ours, hidden) == [((AVAILABILITY_ALL,), False, False), ((), True, True)]
