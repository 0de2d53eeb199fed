"""The plan of the demo clinic is plausible and deterministic."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from actors.domain.schedule import MINUTES_PER_DAY
from hub.demo.plan import DAYS_AFTER, DAYS_BEFORE, PATIENTS, DemoPlan, PlannedVisit, plan

TODAYS = [date(2027, 3, 8), date(2026, 3, 24), date(2028, 2, 25)]
"""An ordinary week, a change of clocks in Berlin within two weeks, and a leap day."""


@pytest.fixture(params=TODAYS, ids=str)
def today(request: pytest.FixtureRequest) -> date:
    day: date = request.param
    return day


def end_of(clinic: DemoPlan, visit: PlannedVisit) -> datetime:
    return visit.start + timedelta(minutes=clinic.types[visit.kind].duration)


def test_the_plan_of_a_day_is_deterministic(today: date) -> None:
    assert plan(today) == plan(today)


def test_three_dentists_in_two_zones_with_a_break_at_noon(today: date) -> None:
    dentists = plan(today).dentists
    assert len(dentists) == 3
    assert len({dentist.schedule.time_zone for dentist in dentists}) == 2
    for dentist in dentists:
        hours = Counter(rule.weekday for rule in dentist.schedule.rules)
        assert set(hours.values()) == {2}, "two windows a day, with a break between them"


def test_a_hundred_patients_have_different_contact_data(today: date) -> None:
    patients = plan(today).patients
    assert len(patients) == PATIENTS == 100
    for field in ("name", "email", "phone"):
        assert len({getattr(patient, field) for patient in patients}) == PATIENTS


def test_every_visit_lies_within_the_opening_hours_of_its_day(today: date) -> None:
    clinic = plan(today)
    for visit in clinic.visits:
        schedule = clinic.dentists[visit.dentist].schedule
        start = visit.start.astimezone(schedule.zone)
        end = end_of(clinic, visit).astimezone(schedule.zone)
        span = (start.hour * 60 + start.minute, (end.hour * 60 + end.minute) or MINUTES_PER_DAY)
        windows = schedule.windows_on(start.date())
        assert any(window.start <= span[0] < span[1] <= window.end for window in windows)


def test_visits_of_a_dentist_keep_their_buffers(today: date) -> None:
    clinic = plan(today)
    for dentist in range(len(clinic.dentists)):
        visits = sorted(
            (visit for visit in clinic.visits if visit.dentist == dentist),
            key=lambda visit: visit.start,
        )
        for one, next_one in pairwise(visits):
            buffer = max(clinic.types[one.kind].after, clinic.types[next_one.kind].before)
            assert end_of(clinic, one) + timedelta(minutes=buffer) <= next_one.start


def test_visits_of_a_patient_do_not_overlap(today: date) -> None:
    clinic = plan(today)
    for patient in range(PATIENTS):
        visits = sorted(
            (visit for visit in clinic.visits if visit.patient == patient),
            key=lambda visit: visit.start,
        )
        for one, next_one in pairwise(visits):
            assert end_of(clinic, one) <= next_one.start


def test_the_plan_has_visits_and_free_slots_in_its_two_weeks(today: date) -> None:
    clinic = plan(today)
    assert 80 <= len(clinic.visits) <= 250
    days = {visit.start.date() - today for visit in clinic.visits}
    assert min(days) >= timedelta(-DAYS_BEFORE)
    assert max(days) <= timedelta(DAYS_AFTER + 1)
    assert all(visit.start.tzinfo is UTC for visit in clinic.visits)
