"""What a calendar decides by its practice: closures, an inactive dentist, its own staff."""

from dataclasses import replace
from datetime import date

import pytest

from actors.domain.commands import BookSlot, CancelAppointment, HoldSlot, ReplaceSchedule
from actors.domain.decide import decide
from actors.domain.ids import AppointmentId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, NotFound, OutsideAvailability, Refusal
from actors.domain.schedule import Closure, Schedule
from actors.domain.slots import in_open_time, to_minute
from tests.unit.calendars import (
    ANNA,
    CHECKUP,
    DENTIST,
    NOW,
    SCHEDULE,
    STAFF,
    at,
    calendar,
    patient,
    row,
)

HERE, THERE = PracticeId("here"), PracticeId("there")
CLOSED = Closure(start_date=date(2027, 3, 1), end_date=date(2027, 3, 1))


def desk(practice: PracticeId) -> Principal:
    """Its list of calendars may be older than the calendar's practice."""
    return Principal(
        role=Role.STAFF,
        subject="sue",
        person=ProfileId("sue"),
        practice=practice,
        calendars=(DENTIST,),
    )


def book(by: Principal) -> BookSlot:
    return BookSlot(
        by=by,
        appointment_id=AppointmentId("new"),
        patient_id=ANNA,
        appointment_type_id=CHECKUP.id,
        start=at(9),
        overbook=by.works_at_practice,
    )


@pytest.mark.parametrize("by", [patient(), STAFF, desk(HERE)])
def test_nothing_is_booked_on_a_closed_day_or_with_an_inactive_dentist(by: Principal) -> None:
    open_ = replace(calendar(), practice_id=HERE)
    assert decide(book(by), open_, NOW).events
    for shut in (
        replace(open_, schedule=replace(SCHEDULE, closures=(CLOSED,))),
        replace(open_, active=False),
    ):
        with pytest.raises(OutsideAvailability):
            decide(book(by), shut, NOW)
        first, before = to_minute(at(0)), to_minute(at(23))
        free = shut.free(CHECKUP, first=first, before=before, now=NOW, patient_id=None)
        assert list(free) == []


def test_a_closure_is_of_the_calendars_own_dates() -> None:
    schedule = Schedule(time_zone="Asia/Tokyo", closures=(CLOSED,))
    shut = replace(calendar(schedule=schedule), practice_id=HERE)
    for start, is_closed in ((at(14, 59), True), (at(15), False)):  # midnight in Tokyo
        command = replace(book(desk(HERE)), start=start)
        if is_closed:
            with pytest.raises(OutsideAvailability):
                decide(command, shut, NOW)
        else:
            assert decide(command, shut, NOW).events
    late = replace(book(desk(HERE)), start=at(15).replace(day=28, month=2, hour=14, minute=45))
    with pytest.raises(OutsideAvailability):
        decide(late, shut, NOW)  # it ends on the closed day


@pytest.mark.parametrize(("practice", "refusal"), [(THERE, Forbidden), (None, Forbidden)])
def test_a_calendar_obeys_the_staff_of_its_own_practice_only(
    practice: PracticeId | None, refusal: type[Refusal]
) -> None:
    theirs = replace(calendar([row(at(10), id="kept")]), practice_id=practice)
    with pytest.raises(refusal):
        decide(book(desk(HERE)), theirs, NOW)
    with pytest.raises(refusal):
        decide(ReplaceSchedule(by=desk(HERE), schedule=SCHEDULE), theirs, NOW)
    with pytest.raises(NotFound):
        decide(CancelAppointment(by=desk(HERE), appointment_id=AppointmentId("kept")), theirs, NOW)


def test_replacing_the_hours_keeps_the_closures_of_the_practice() -> None:
    shut = calendar(schedule=replace(SCHEDULE, closures=(CLOSED,)))
    decided = decide(
        ReplaceSchedule(by=STAFF, schedule=replace(SCHEDULE, slot_step_minutes=30)), shut, NOW
    )
    (event,) = decided.events
    assert event.after.closures == (CLOSED,)  # type: ignore[union-attr]  # of ScheduleReplaced
    assert not in_open_time(event.after, to_minute(at(9)), to_minute(at(10)))  # type: ignore[arg-type]  # of ScheduleReplaced


def test_a_visit_outside_of_open_time_is_affected_until_it_is_over() -> None:
    visit, hold = row(at(10), id="visit"), book(patient())
    shut = calendar([visit], schedule=replace(SCHEDULE, closures=(CLOSED,)))
    assert shut.is_affected(visit, NOW)
    assert not calendar([visit]).is_affected(visit, NOW)
    assert replace(calendar([visit]), active=False).is_affected(visit, NOW)
    assert not shut.is_affected(visit, at(11))
    with pytest.raises(OutsideAvailability):
        decide(
            HoldSlot(
                by=hold.by,
                appointment_id=hold.appointment_id,
                patient_id=ANNA,
                appointment_type_id=CHECKUP.id,
                start=at(9),
            ),
            shut,
            NOW,
        )


def test_staff_who_moved_get_no_reply_of_the_old_practice_again() -> None:
    """Their idempotency keys are others than before."""
    desk = Principal(role=Role.STAFF, subject="s", person=ProfileId("s"), practice=PracticeId("a"))
    assert desk.scope != replace(desk, practice=PracticeId("b")).scope
