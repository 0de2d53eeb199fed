"""What one booking costs its actor, in calls of functions: more than the budget fails.

There is no clock in it. Whoever lowers the count lowers the budget, and whoever needs a higher
one says why in the commit.
"""

import asyncio
import sys
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

from actors.calendar.batch import plan_batch
from actors.calendar.mailbox import PendingCommand
from actors.domain.calendar import Calendar
from actors.domain.commands import BookSlot
from actors.domain.ids import AppointmentId, PatientId, ProfileId
from actors.domain.schedule import Schedule, Weekday, WeeklyRule, Window
from actors.ports.commits import IdempotencyKey
from api.schemas import render
from tests.unit.calendars import ANNA, CHECKUP, NOW, at, calendar, patient, row

DECISION = 121
"""From the command to the turn, with its events and announcements."""
RENDERING = 33
"""Of the bodies of a booking: the appointment and the changed slots."""
FULL_CALENDAR_BYTES = 12_000
"""How much more a decision may allocate in a calendar with 3,000 rows than in one with 10."""
ALWAYS = Schedule(
    time_zone="UTC",
    rules=tuple(WeeklyRule(weekday=day, window=Window(0, 24 * 60)) for day in Weekday),
)


def calls_of(action: Callable[[], object]) -> int:
    """The calls of functions, Python's and others, when caches are warm."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    action()
    before = sys.getprofile()
    sys.setprofile(count)
    action()
    sys.setprofile(before)
    return counted


def peak_bytes_of(action: Callable[[], object]) -> int:
    action()
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def full(rows: int) -> Calendar:
    """Appointments one after the other from nine o'clock; the slot before them is free."""
    starts = (at(9) + n * timedelta(minutes=30) for n in range(rows))
    return calendar(
        [row(start, id=f"row-{n}", patient_id=_patient(n)) for n, start in enumerate(starts)],
        schedule=ALWAYS,
    )


def _patient(number: int) -> PatientId:
    return PatientId(ProfileId(f"patient-{number}"))


def booking() -> PendingCommand:
    return PendingCommand(
        command=BookSlot(
            by=patient(),
            appointment_id=AppointmentId("new"),
            patient_id=ANNA,
            appointment_type_id=CHECKUP.id,
            start=at(8),
        ),
        key=IdempotencyKey(scope="patient:anna|", key="k", fingerprint="f"),
        request_id="r",
        deadline_s=1.0,
        answer=asyncio.get_running_loop().create_future(),
    )


def planning(rows: int) -> Callable[[], object]:
    booked, pending = full(rows), booking()
    return lambda: plan_batch(booked, [pending], NOW, replies={}, answered={})


async def test_calls_of_a_decision() -> None:
    few, many = calls_of(planning(10)), calls_of(planning(3_000))
    assert few == many
    assert 0 < few <= DECISION, few


async def test_a_decision_does_not_copy_a_full_calendar() -> None:
    few, many = peak_bytes_of(planning(10)), peak_bytes_of(planning(3_000))
    assert 0 < many - few <= FULL_CALENDAR_BYTES, (few, many)


async def test_calls_of_rendering_a_booking() -> None:
    plan = plan_batch(full(0), [booking()], NOW, replies={}, answered={})
    bodies = [announcement.body for announcement in plan.turns[0].announcements]
    calls = calls_of(lambda: [render(body, {}) for body in bodies])
    assert 0 < calls <= RENDERING, calls
