"""A patient answers that they will come: the rules, and what the answer is about."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from actors.domain.appointment import Appointment, Status
from actors.domain.commands import ChangeAppointment, ConfirmVisit
from actors.domain.decide import Decision, decide
from actors.domain.masked import masked_email, masked_name, masked_phone
from actors.domain.outcome import Outcome
from actors.domain.principal import Principal
from actors.domain.refusals import (
    Forbidden,
    InvalidTransition,
    NotFound,
    Refusal,
    TooLate,
    VersionConflict,
)
from tests.unit.calendars import BEN, NOW, STAFF, at, calendar, patient, row

VISIT = row(at(9))


def confirmed(
    visit: Appointment = VISIT, *, by: Principal | None = None, now: datetime = NOW, **fields: int
) -> Decision:
    command = ConfirmVisit(by=by or patient(), appointment_id=visit.id, **fields)
    return decide(command, calendar([visit]), now)


def test_a_confirmation_is_noted_once() -> None:
    first = confirmed()
    assert (first.outcome, first.version) == (Outcome.CHANGED, VISIT.version + 1)
    assert isinstance(first.reply, Appointment)
    assert (first.reply.patient_confirmed_at, first.reply.status) == (NOW, Status.CONFIRMED)
    again = confirmed(first.reply, now=NOW + timedelta(minutes=1), expected_version=1)
    assert (again.outcome, again.events) == (Outcome.UNCHANGED, ())


@pytest.mark.parametrize(
    ("visit", "by", "now", "refusal"),
    [
        (VISIT, STAFF, NOW, Forbidden),
        (VISIT, patient(BEN), NOW, NotFound),
        (replace(VISIT, status=Status.CANCELLED), None, NOW, InvalidTransition),
        (replace(VISIT, status=Status.ARRIVED), None, NOW, InvalidTransition),
        (VISIT, None, VISIT.start, TooLate),
    ],
)
def test_only_the_patient_of_a_visit_to_come_confirms_it(
    visit: Appointment, by: Principal | None, now: datetime, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        confirmed(visit, by=by, now=now)


def test_what_was_confirmed_is_the_visit_as_it_was_shown() -> None:
    with pytest.raises(VersionConflict):
        confirmed(expected_version=VISIT.version + 1)


@pytest.mark.parametrize(
    ("change", "kept"),
    [({"start": at(10)}, False), ({"notes": "By bicycle"}, True), ({"start": at(9)}, True)],
)
def test_another_time_is_not_confirmed(change: dict[str, object], kept: bool) -> None:
    visit = replace(VISIT, patient_confirmed_at=NOW)
    command = ChangeAppointment(by=STAFF, appointment_id=visit.id, **change)  # type: ignore[arg-type]  # fields
    after = decide(command, calendar([visit]), NOW).reply
    assert isinstance(after, Appointment)
    assert after.patient_confirmed_at == (NOW if kept else None)


def test_contact_data_are_shown_in_part() -> None:
    assert masked_name("Anna Maria van Berg") == "Anna M. v. B."
    assert masked_name("") == ""
    assert masked_email("anna@example.org") == "a•••@e•••.org"
    assert masked_phone("+43 664 1234567") == "••• 67"
