"""Decisions on a visit that comes from another dentist's calendar."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.domain.announcements import MovedAwayBody, announcements
from actors.domain.appointment import Appointment, Status
from actors.domain.calendar import Calendar
from actors.domain.changed_slots import SlotsChangedBody
from actors.domain.commands import MoveAppointment
from actors.domain.decide import decide
from actors.domain.events import AppointmentMoved
from actors.domain.ids import DentistId, PracticeId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.principal import Principal
from actors.domain.refusals import (
    Forbidden,
    InvalidTransition,
    NotFound,
    OutsideAvailability,
    Refusal,
    SlotTaken,
    TooLate,
    VersionConflict,
)
from tests.unit.calendars import (
    ANNA,
    BEN,
    CLEANING,
    DENTIST,
    NOW,
    STAFF,
    applied,
    at,
    calendar,
    changes,
    held,
    patient,
    row,
    with_schedule,
)

LEFT = DentistId(ProfileId("left"))


def elsewhere(start: datetime | None = None, **changed: Any) -> Appointment:
    return replace(row(start or at(10)), dentist_id=LEFT, version=3, **changed)


def move(of: Appointment, by: Principal | None = None, **more: Any) -> MoveAppointment:
    return MoveAppointment(by=by or patient(), appointment_id=of.id, row=of, **more)


def test_the_row_comes_with_its_id_and_the_next_version() -> None:
    old = elsewhere(notes="left molar")
    decision = decide(move(old), calendar(), NOW)
    new = replace(old, dentist_id=DENTIST, version=4, updated_at=NOW)
    assert decision.events == (AppointmentMoved(before=old, after=new),)
    assert (decision.outcome, decision.reply) == (Outcome.CHANGED, new)
    after = applied(calendar(), decision)
    assert list(after.agenda) == [new]


def test_events_are_of_both_calendars() -> None:
    old = elsewhere()
    decision = decide(move(old, start=at(11)), calendar(), NOW)
    sent = announcements(decision.events)
    assert [(each.type, each.channels) for each in sent] == [
        ("appointment.created", (f"appointments:dentist:{DENTIST}",)),
        ("appointment.moved_away", (f"appointments:dentist:{LEFT}",)),
        ("appointment.updated", (f"appointments:patient:{ANNA}",)),
        ("slots.changed", (f"availability:dentist:{DENTIST}",)),
        ("slots.changed", (f"availability:dentist:{LEFT}",)),
    ]
    assert sent[1].body == MovedAwayBody(id=old.id, version=4)
    (taken, freed) = (each.body for each in sent[3:])
    assert isinstance(taken, SlotsChangedBody)
    assert isinstance(freed, SlotsChangedBody)
    assert [block.start for block in taken.taken] == [at(11)]
    assert [block.start for block in freed.freed] == [at(10)]
    assert (taken.freed, freed.taken) == ((), ())


def test_it_takes_the_present_length_of_its_type_for_a_patient_only() -> None:
    old = elsewhere(appointment_type_id=CLEANING.id)
    by_patient = decide(move(old), calendar(), NOW).events[-1].after
    by_dentist = decide(move(old, by=STAFF), calendar(), NOW).events[-1].after
    assert isinstance(by_patient, Appointment)
    assert isinstance(by_dentist, Appointment)
    assert by_patient.end - by_patient.start == timedelta(minutes=60)
    assert by_dentist.end - by_dentist.start == timedelta(minutes=30)


TAKEN = row(at(10), id="other", patient_id=BEN)


@pytest.mark.parametrize(
    ("at_target", "command", "refusal"),
    [
        (calendar([TAKEN]), move(elsewhere()), SlotTaken),
        (calendar([TAKEN]), move(elsewhere(), by=STAFF), SlotTaken),
        (calendar(), move(elsewhere(), start=at(8)), OutsideAvailability),
        (calendar(), move(elsewhere(), by=patient(BEN)), NotFound),
        (calendar(), move(elsewhere(), status=Status.ARRIVED), Forbidden),
        (calendar(), move(elsewhere(), expected_version=2), VersionConflict),
        (calendar(), move(elsewhere(status=Status.CANCELLED)), InvalidTransition),
        (calendar(), move(elsewhere(status=Status.COMPLETED), by=STAFF), InvalidTransition),
        (calendar(), move(elsewhere(status=Status.HELD, expires_at=at(9))), InvalidTransition),
        (calendar(), move(elsewhere(NOW - timedelta(hours=1))), TooLate),
        (calendar(), move(elsewhere(), notice_minutes=10 * 24 * 60), TooLate),
        (
            calendar(schedule=with_schedule(appointment_type_ids=(CLEANING.id,))),
            move(elsewhere()),
            OutsideAvailability,
        ),
        (replace(calendar(), active=False), move(elsewhere(), by=STAFF), OutsideAvailability),
        (replace(calendar(), dentist_id=LEFT), move(elsewhere(), by=STAFF), Forbidden),
    ],
)
def test_a_move_is_refused_like_a_booking(
    at_target: Calendar, command: MoveAppointment, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        decide(command, at_target, NOW)


def test_a_dentist_overbooks_and_a_patient_ends_that() -> None:
    over = decide(move(elsewhere(), by=STAFF, overbook=True), calendar([TAKEN]), NOW)
    assert over.events[-1].after == over.reply
    assert isinstance(over.reply, Appointment)
    assert over.reply.overbooked
    free = decide(move(elsewhere(overbooked=True), start=at(14)), calendar([TAKEN]), NOW)
    assert isinstance(free.reply, Appointment)
    assert not free.reply.overbooked


def test_own_holds_give_way() -> None:
    decision = decide(move(elsewhere()), calendar([held(at(10))]), NOW)
    assert changes(decision) == [
        ("HoldReleased", "hold", Status.RELEASED),
        ("AppointmentMoved", "row", Status.CONFIRMED),
    ]


def test_a_row_that_is_here_already_is_a_conflict() -> None:
    here = replace(row(at(12)), version=4)
    with pytest.raises(VersionConflict):
        decide(move(elsewhere()), calendar([here]), NOW)


def test_a_row_that_had_left_unnoticed_is_no_obstacle() -> None:
    """It comes back: what the calendar has in memory is older, and the fence tells it so."""
    remembered = replace(row(at(12)), version=1)
    before = calendar([remembered])
    after = applied(before, decide(move(elsewhere()), before, NOW))
    assert [(each.start, each.version) for each in after.agenda] == [(at(10), 4)]


def test_the_patient_belongs_to_both_practices_where_they_differ() -> None:
    a, b = PracticeId("a"), PracticeId("b")

    def joined(left: PracticeId | None, come: PracticeId | None) -> tuple[PracticeId, ...]:
        target = replace(calendar(), practice_id=come)
        (event,) = decide(move(elsewhere(), practice_id=left), target, NOW).events
        assert isinstance(event, AppointmentMoved)
        return event.practices

    assert joined(a, b) == (a, b)
    assert joined(a, a) == ()
    assert joined(a, None) == (a,)
    assert joined(None, b) == (b,)
    assert joined(None, None) == ()
