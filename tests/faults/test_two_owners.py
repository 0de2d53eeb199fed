"""Two processes on one PostgreSQL that both believe they own a calendar: the fence decides."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.faults.test_kill import clinic_of
from tests.support.api import Answer
from tests.support.clinic import Clinic, Person
from tests.support.database import Database, rows, url_of
from tests.support.histories import problems_of
from tests.support.process import ROOT, hub_process
from tests.support.running import Template

WRITTEN = (
    "appointments",
    "event_log",
    "event_channels",
    "idempotency_keys",
    "audit_log",
    "calendars",
)
ANSWER_S = 15.0
ROUNDS, RACERS = 8, 10


class Owner:
    """The other side of ``tests.faults.owner``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def outcome(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(ANSWER_S):
            return (await self.process.stdout.readline()).decode().strip()

    def book(self, patient: Person, kind: str, start: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{patient.id} {kind} {start}\n".encode())


@asynccontextmanager
async def owner(database: Database, dentist: Person) -> AsyncIterator[Owner]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.owner", url_of(database), dentist.id),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Owner(process)
    finally:
        process.kill()
        await process.wait()


def written(database: Database) -> dict[str, list[dict[str, object]]]:
    return {table: rows(database, f"SELECT * FROM {table}") for table in WRITTEN}  # noqa: S608  # names of ours


async def test_a_fenced_process_writes_nothing(postgres_template: Template, tmp_path: Path) -> None:
    """The first is stopped as by a long pause of its machine, the second takes over; the
    first wakes up without knowing that, and commits its command."""
    people = postgres_template.people
    ann, (pat, pia) = people.dentists[0], people.patients[:2]
    kind, start, later = people.types["check-up"], "2031-03-03T09:00:00Z", "2031-03-04T09:00:00Z"
    with postgres_template.copied_to(tmp_path) as database:
        async with owner(database, ann) as former, owner_after(former, database, ann) as present:
            former.process.send_signal(signal.SIGSTOP)
            former.book(pat, kind, start)
            present.book(pia, kind, start)
            assert await present.outcome() == "Committed"
            before = written(database)
            former.process.send_signal(signal.SIGCONT)
            assert await former.outcome() == "Fenced"
            former.book(pat, kind, later)  # a slot that is free: it may not take that, either
            assert await former.outcome() == "Fenced"
            assert written(database) == before
            present.book(pat, kind, later)
            assert await present.outcome() == "Committed"
        taken = rows(database, "SELECT patient_id FROM appointments ORDER BY starts_at")
        assert [row["patient_id"] for row in taken] == [pia.id, pat.id]


@asynccontextmanager
async def owner_after(former: Owner, database: Database, dentist: Person) -> AsyncIterator[Owner]:
    first = await former.outcome()
    async with owner(database, dentist) as present:
        second = await present.outcome()
        assert int(second.removeprefix("owns ")) > int(first.removeprefix("owns "))
        yield present


async def test_two_hubs_that_compete_for_a_calendar_book_no_slot_twice(
    postgres_template: Template, tmp_path: Path
) -> None:
    """Whole hubs: a request to the fenced one gets the current state, or 503."""
    with postgres_template.copied_to(tmp_path) as database:
        folders = [tmp_path / name for name in ("one", "other")]
        for folder in folders:
            folder.mkdir()
        async with (
            hub_process(database, folders[0]) as one,
            hub_process(database, folders[1]) as other,
            aiohttp.ClientSession() as session,
        ):
            at_one = clinic_of(postgres_template, one, session, database)
            at_other = clinic_of(postgres_template, other, session, database)
            await _the_fenced_one_answers_what_is_true(at_one, at_other)
            acknowledged = [
                answer.body["id"]
                for turn in range(ROUNDS)
                for answer in await _race(at_one, at_other, turn)
            ]
            assert [await one.stop(), await other.stop()] == [0, 0]
        live = rows(database, "SELECT id FROM appointments WHERE status = 'confirmed'")
        assert {row["id"] for row in live} >= set(acknowledged)
        assert len(live) == len(acknowledged) + 2
        assert problems_of(database) == []


async def _the_fenced_one_answers_what_is_true(at_one: Clinic, at_other: Clinic) -> None:
    await at_one.book(at_one.patients[0], "08:00")
    await at_other.book(at_other.patients[1], "08:30")  # the other took the calendar over
    late = await at_one.api(at_one.patients[2]).post("/api/appointments", at_one.slot("08:30"))
    assert (late.status, late.code) == (409, "SLOT_TAKEN")


async def _race(at_one: Clinic, at_other: Clinic, turn: int) -> list[Answer]:
    """Ten patients, every other one at the other hub, and one slot; who was acknowledged."""
    slot = at_one.slot(f"{9 + turn:02}:00")
    answers = await asyncio.gather(
        *(
            (at_other if number % 2 else at_one).api(person).post("/api/appointments", slot)
            for number, person in enumerate(at_one.patients[:RACERS])
        )
    )
    outcomes = Counter((answer.status, answer.code) for answer in answers)
    allowed = {(201, None), (409, "SLOT_TAKEN"), (503, "UNAVAILABLE"), (503, "CALENDAR_BUSY")}
    assert outcomes.keys() <= allowed, outcomes
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 503)
    assert outcomes[201, None] <= 1, outcomes
    return [answer for answer in answers if answer.status == 201]
