"""Commits that wait together are written as one; the answers are those of single commits."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from actors.domain.appointment import Appointment, Status
from actors.domain.ids import DentistId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.profile import Profile
from actors.domain.refusals import PatientConflict, Refusal, TooManyReservations
from actors.ports.calendars import LoadedCalendar
from actors.ports.commits import (
    CalendarCommit,
    Committed,
    ConstraintViolated,
    Fenced,
    StaleTypes,
    Turn,
    TurnRefused,
    TurnReplayed,
)
from store.postgres.writer import PostgresWriters
from store.sql.prepared import Done, Plan, execute
from store.sql.writer import single_job
from store.sqlite.writer import SqliteWriter
from tests.contract.clinic import (
    DAY,
    HOLD_LIMIT,
    HOUR,
    Clinic,
    booked,
    cancelled,
    changed,
    client_key,
    held,
    settle,
)
from tests.contract.engines import Database, PostgresDatabase
from tests.contract.test_postgres_writers import beside, opened
from tests.support.eventually import eventually

T = TypeVar("T")
Answer = Committed | BaseException
Spoil = Callable[["Clinic", list["Place"]], Awaitable[CalendarCommit]]


@dataclass
class Place:
    """A dentist with an open calendar, and a patient who books there."""

    dentist: Profile
    loaded: LoadedCalendar
    patient: Profile


@pytest.fixture
async def places(clinic: Clinic) -> list[Place]:
    made = []
    for n in range(5):
        dentist = await clinic.add_dentist(f"Dr {n}")
        made.append(
            Place(dentist, await clinic.open(dentist), await clinic.add_patient(f"Patient {n}"))
        )
    clinic.postbox.batches.clear()
    return made


async def at_once(clinic: Clinic, *commits: CalendarCommit) -> list[Answer]:
    return await queued_together(clinic, *map(clinic.store.calendars.commit, commits))


async def queued_together(clinic: Clinic, *jobs: Awaitable[T]) -> list[T | BaseException]:
    """All are in the queue before the first of them is taken."""
    writer, free, taken = clinic.store._writer, threading.Event(), threading.Event()

    def busy() -> Plan[Done[None]]:
        taken.set()
        assert free.wait(10)
        yield from execute(clinic.store._sql.lock_hub)
        return Done(None)

    tasks: list[asyncio.Task[object]] = []
    if isinstance(
        writer, SqliteWriter
    ):  # on PostgreSQL, the worker runs after all have been queued
        tasks.append(asyncio.create_task(writer.run(single_job(busy))))
        await asyncio.to_thread(taken.wait, 10)
    answers = asyncio.gather(*jobs, return_exceptions=True)
    await asyncio.sleep(0)
    assert isinstance(writer, SqliteWriter | PostgresWriters)
    assert len(writer._queue) == len(jobs)
    free.set()
    await asyncio.gather(*tasks)
    given = await answers
    await settle()
    return given


def booking(clinic: Clinic, place: Place, **changes: Any) -> tuple[Appointment, CalendarCommit]:
    row = clinic.row(place.dentist, place.patient)
    turn = clinic.turn(booked(row), **changes)
    return row, clinic.commit_of(place.loaded, turn)


def succeeded(answers: Sequence[Answer]) -> list[bool]:
    return [isinstance(answer, Committed) for answer in answers]


async def test_waiting_commits_share_a_transaction_and_get_their_own_answers(
    clinic: Clinic, places: list[Place]
) -> None:
    rows, commits = zip(*(booking(clinic, place) for place in places), strict=True)
    before = clinic.store.stats.transactions
    answers = await at_once(clinic, *commits)
    busy = isinstance(clinic.store._writer, SqliteWriter)
    assert clinic.store.stats.transactions - before == 1 + busy
    assert clinic.store.stats.largest_batch == len(places)
    assert clinic.store.stats.separations == 0
    for place, row, answer in zip(places, rows, answers, strict=True):
        assert isinstance(answer, Committed)
        assert [(r.outcome, r.resource_id) for r in answer.replies] == [(Outcome.CREATED, row.id)]
        published = [
            record for record in clinic.postbox.records if record.channel in answer.positions
        ]
        assert {str(channel) for channel in answer.positions} == {
            f"appointments:dentist:{place.dentist.id}",
            f"appointments:patient:{place.patient.id}",
            f"availability:dentist:{place.dentist.id}",
        }
        assert {r.channel: r.position.offset for r in published} == {
            channel: position.offset for channel, position in answer.positions.items()
        }
        assert await clinic.stored(row) == row


async def test_waiting_openings_share_a_transaction(clinic: Clinic, places: list[Place]) -> None:
    for place in places[:3]:
        turn = clinic.turn(
            booked(clinic.row(place.dentist, place.patient)), key=client_key(place.patient.id)
        )
        await clinic.commit(place.loaded, turn)
    alone = [await clinic.open(place.dentist) for place in places]
    assert [len(each.rows) + len(each.replies) for each in alone] == [2, 2, 2, 0, 0]
    before, after = clinic.store.stats.transactions, clinic.clock.now() - DAY
    opening = [
        clinic.store.calendars.open(DentistId(ProfileId(each)), live_after=after)
        for each in (*(each.dentist_id for each in reversed(alone)), "unknown")
    ]
    loaded = await queued_together(clinic, *opening)
    busy = isinstance(clinic.store._writer, SqliteWriter)
    assert clinic.store.stats.transactions - before == 1 + busy
    assert loaded == [*(replace(each, fence=each.fence + 1) for each in reversed(alone)), None]


async def test_openings_of_one_calendar_get_fences_of_their_own(
    clinic: Clinic, places: list[Place]
) -> None:
    dentist_id, after = places[0].loaded.dentist_id, clinic.clock.now() - DAY
    opening = (clinic.store.calendars.open(dentist_id, live_after=after) for _ in range(3))
    loaded = await queued_together(clinic, *opening)
    first = places[0].loaded.fence + 1
    fences = sorted(each.fence for each in loaded if isinstance(each, LoadedCalendar))
    assert fences == [first, first + 1, first + 2]


async def test_views_of_one_calendar_show_the_same(clinic: Clinic, places: list[Place]) -> None:
    place, after = places[0], clinic.clock.now() - DAY
    row, commit = booking(clinic, place)
    await clinic.store.calendars.commit(commit)
    viewing = (
        clinic.store.calendars.view(place.loaded.dentist_id, live_after=after) for _ in range(3)
    )
    for seen in await queued_together(clinic, *viewing):
        assert isinstance(seen, LoadedCalendar)
        assert seen.rows == (row,)


async def test_patient_of_two_batched_calendars_has_one_sequence(
    clinic: Clinic, places: list[Place]
) -> None:
    first, second = places[:2]
    shared = first.patient
    rows = [
        clinic.row(place.dentist, shared, clinic.clock.now() + n * DAY)
        for n, place in enumerate((first, second), 1)
    ]
    answers = await at_once(
        clinic,
        clinic.commit_of(first.loaded, clinic.turn(booked(rows[0]))),
        clinic.commit_of(second.loaded, clinic.turn(booked(rows[1]))),
    )
    assert clinic.store.stats.separations == 0
    of_patient = [
        position.offset
        for answer in answers
        if isinstance(answer, Committed)
        for channel, position in answer.positions.items()
        if channel.startswith("appointments:patient:")
    ]
    assert of_patient == [1, 2]
    published = [r.position.offset for r in clinic.postbox.records if r.channel.endswith(shared.id)]
    assert published == [1, 2]


async def another_owner(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    await clinic.open(places[2].dentist)
    return booking(clinic, places[2])[1]


async def changed_type(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    return replace(booking(clinic, places[2])[1], types={clinic.kind.id: 99})


async def row_never_stored(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    row = clinic.row(places[2].dentist, places[2].patient)
    return clinic.commit_of(places[2].loaded, clinic.turn(changed(row, notes="x-ray")))


async def patient_elsewhere(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    row = clinic.row(places[2].dentist, places[1].patient)
    return clinic.commit_of(places[2].loaded, clinic.turn(booked(row)))


async def one_hold_too_many(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    at, of, start = places[2].dentist, places[2].patient, clinic.clock.now() + DAY
    holds = [
        held(clinic.row(at, of, start + n * HOUR, status=Status.HELD))
        for n in range(HOLD_LIMIT + 1)
    ]
    return clinic.commit_of(places[2].loaded, *map(clinic.turn, holds))


async def key_used_before(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    row = clinic.row(places[2].dentist, places[2].patient, clinic.clock.now() + 2 * DAY)
    turn = clinic.turn(booked(row), key=client_key("used"))
    await clinic.commit(places[2].loaded, turn)
    return clinic.commit_of(places[2].loaded, turn)


async def key_used_by_a_neighbour(clinic: Clinic, places: list[Place]) -> CalendarCommit:
    return booking(clinic, places[2], key=client_key("k-1"))[1]


SPOILT: list[tuple[Spoil, type[Exception], type[Refusal] | None]] = [
    (another_owner, Fenced, None),
    (changed_type, StaleTypes, None),
    (row_never_stored, ConstraintViolated, None),
    (patient_elsewhere, TurnRefused, PatientConflict),
    (one_hold_too_many, TurnRefused, TooManyReservations),
    (key_used_before, TurnReplayed, None),
    (key_used_by_a_neighbour, TurnReplayed, None),
]
COMPETING = (patient_elsewhere, key_used_by_a_neighbour)


@pytest.mark.parametrize(
    ("spoil", "failure", "refusal"), SPOILT, ids=[spoil.__name__ for spoil, _, _ in SPOILT]
)
async def test_refused_job_of_a_batch_fails_alone(
    clinic: Clinic,
    places: list[Place],
    database: Database,
    spoil: Spoil,
    failure: type[Exception],
    refusal: type[Refusal] | None,
) -> None:
    """The third of five, or the neighbour that it competes with; the others are committed."""
    commits = [
        booking(clinic, place, key=client_key(f"k-{n}"))[1] for n, place in enumerate(places)
    ]
    commits[2] = await spoil(clinic, places)
    before = len(_booked_at(database))
    answers = await at_once(clinic, *commits)
    (failed,) = [answer for answer in answers if not isinstance(answer, Committed)]
    assert answers.index(failed) in ({1, 2} if spoil in COMPETING else {2})
    assert type(failed) is failure
    if isinstance(failed, TurnRefused):
        assert refusal
        assert isinstance(failed.refusal, refusal)
    assert clinic.store.stats.separations == 1
    assert len(_booked_at(database)) - before == 4


async def test_bug_met_by_one_job_fails_only_that_job(
    clinic: Clinic, places: list[Place], logged: list[MutableMapping[str, Any]]
) -> None:
    """A value that no engine can store."""
    commits = [booking(clinic, place)[1] for place in places]
    row = clinic.row(places[0].dentist, places[0].patient)
    commits[0] = clinic.commit_of(places[0].loaded, clinic.turn(booked(row), version=2**70))
    answers = await at_once(clinic, *commits)
    assert succeeded(answers) == [False, True, True, True, True]
    assert not isinstance(answers[0], ConstraintViolated)
    (published,) = [entry for entry in logged if entry["event"] == "jobs_separated"]
    assert published["log_level"] == "warning"


async def test_opening_between_commits_sees_the_booking_or_fences_it(
    clinic: Clinic, places: list[Place]
) -> None:
    """A calendar that is opened meanwhile has the booking, or fences it."""
    place = places[0]
    for n in range(1, 11):
        loaded = await clinic.open(place.dentist)
        row = clinic.row(place.dentist, place.patient, clinic.clock.now() + n * DAY)
        loading = asyncio.ensure_future(clinic.open(place.dentist))
        answers = await asyncio.gather(
            clinic.commit(loaded, clinic.turn(booked(row))),
            *(clinic.commit(p.loaded, _booked_on(clinic, p, n)) for p in places[1:]),
            return_exceptions=True,
        )
        assert isinstance(answers[0], Committed | Fenced)
        assert (row in (await loading).rows) == isinstance(answers[0], Committed)
        assert succeeded(answers[1:]) == [True] * 4


def _booked_on(clinic: Clinic, place: Place, day: int) -> Turn:
    return clinic.turn(
        booked(clinic.row(place.dentist, place.patient, clinic.clock.now() + day * DAY))
    )


async def test_different_events_of_several_calendars_share_a_batch(
    clinic: Clinic, places: list[Place]
) -> None:
    rows, commits = zip(*(booking(clinic, place) for place in places), strict=True)
    await at_once(clinic, *commits)
    second = clinic.row(places[3].dentist, places[3].patient, rows[3].end)
    answers = await at_once(
        clinic,
        clinic.commit_of(places[0].loaded, clinic.turn(cancelled(rows[0]))),
        clinic.commit_of(places[1].loaded, clinic.turn(changed(rows[1], notes="x-ray"))),
        clinic.commit_of(places[2].loaded, clinic.turn(changed(rows[2], status=Status.ARRIVED))),
        clinic.commit_of(places[3].loaded, clinic.turn(booked(second))),
    )
    assert succeeded(answers) == [True] * 4
    assert clinic.store.stats.separations == 0
    stored = [await clinic.stored(row) for row in (*rows[:3], second)]
    assert [(row.status, row.notes, row.version) for row in stored if row] == [
        (Status.CANCELLED, None, 2),
        (Status.CONFIRMED, "x-ray", 2),
        (Status.ARRIVED, None, 2),
        (Status.CONFIRMED, None, 1),
    ]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_locked_calendar_does_not_delay_the_others(
    clinic: Clinic, places: list[Place], database: PostgresDatabase
) -> None:
    """A hub that died in a transaction has its row's lock: the others do not wait for its end."""
    async with opened(database.url, clinic, lock_timeout_ms=10_000) as store:
        other = beside(clinic, store)
        commits = [booking(other, place)[1] for place in places]
        lock = f"SELECT 1 FROM calendars WHERE dentist_id = '{places[0].dentist.id}' FOR UPDATE"  # noqa: S608  # an id of the test
        with database.server.transaction(database.name) as execute:
            execute(lock)
            answers = asyncio.ensure_future(at_once(other, *commits))
            free = {(place.dentist.id,) for place in places[1:]}
            assert await eventually(lambda: _booked_at(database) == free, 5.0)
            assert not answers.done()
            execute("ROLLBACK")
            assert succeeded(await answers) == [True] * 5
    assert len(_booked_at(database)) == 5


def _booked_at(database: Database) -> set[tuple[str, ...]]:
    return set(database.query("SELECT dentist_id FROM appointments"))
