"""Commands of one patient at two dentists, sent at once, pass no rule that concerns both."""

import asyncio
import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from actors.calendar.settings import ReservationSettings
from actors.domain.appointment import ATTENDING, Appointment, Status
from actors.domain.commands import (
    BookReservation,
    CancelAppointment,
    ChangeAppointment,
    Command,
    ReleaseHold,
)
from actors.domain.ids import DentistId, PatientId
from actors.domain.refusals import Refusal
from tests.integration.test_calendar_actor import Clinic, at
from tests.integration.test_calendar_actor import clinic as clinic  # a fixture

AHEAD, HOLDS = 4, 2
ROUNDS, TOGETHER = 12, 6
STARTS = tuple(at(9) + timedelta(minutes=15 * n) for n in range(20))
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 60))]


def random_command(clinic: Clinic, rows: list[Appointment], chance: random.Random) -> Command:
    who: PatientId = chance.choice((clinic.anna, clinic.anna, clinic.ben))
    start: datetime = chance.choice(STARTS)
    if not rows or chance.random() < 0.55:
        return chance.choice((clinic.hold, clinic.book))(start, who)
    row = chance.choice(rows)
    by = clinic.patient(row.patient_id)
    if row.status is Status.HELD:
        kinds = (BookReservation, BookReservation, BookReservation, ReleaseHold)
        return chance.choice(kinds)(by=by, appointment_id=row.id)
    if chance.random() < 0.25:
        return CancelAppointment(by=by, appointment_id=row.id)
    return ChangeAppointment(by=by, appointment_id=row.id, start=start)


async def rows_at(clinic: Clinic, dentist: DentistId) -> list[Appointment]:
    return list((await clinic.registry.snapshot(dentist)).calendar.agenda)


def check(rows: list[Appointment]) -> None:
    for who in {row.patient_id for row in rows}:
        own = [row for row in rows if row.patient_id == who]
        attending = sorted(
            (row for row in own if row.status in ATTENDING), key=lambda row: row.start
        )
        for row, later in pairwise(attending):
            assert row.end <= later.start, "at one place at a time"
        assert len(own) - len(attending) <= HOLDS
        assert len(own) <= AHEAD


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_race_over_two_calendars_passes_a_rule(clinic: Clinic, seed: int) -> None:
    chance = random.Random(seed)
    clinic.reservations = ReservationSettings(max_per_patient=HOLDS, max_future_per_patient=AHEAD)
    await clinic.registry.close()
    clinic.registry = clinic.new_registry()
    dentists, done = (clinic.dentist, clinic.other_dentist), 0

    async def send(dentist: DentistId, command: Command) -> bool:
        try:
            await clinic.execute(command, dentist)
        except Refusal:
            return False
        return True

    for _ in range(ROUNDS):
        known = {dentist: await rows_at(clinic, dentist) for dentist in dentists}
        sent = [
            send(dentist, random_command(clinic, known[dentist], chance))
            for dentist in chance.choices(dentists, k=TOGETHER)
        ]
        done += sum(await asyncio.gather(*sent))
        check([row for dentist in dentists for row in await rows_at(clinic, dentist)])
    assert 10 < done < ROUNDS * TOGETHER, "some are accepted, and some refused"
