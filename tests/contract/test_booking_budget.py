"""What one booking costs the store, in counts: more than the recorded budget fails.

There is no clock in it. Whoever lowers a count lowers the budget, and whoever needs a higher
one says why in the commit.
"""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

from actors.domain.profile import Profile
from actors.ports.calendars import LoadedCalendar
from store.engine import Store, open_store
from store.migrations.migrate import upgrade
from store.postgres.pipeline import Call, Pipeline
from store.settings import DatabaseSettings
from store.sql.prepared import Rows
from tests.benchmarks.booking.pages import counted_clinic
from tests.contract.clinic import MINUTE, Clinic, Postbox, booked, client_key, render
from tests.contract.engines import Database, PostgresDatabase
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds
from tests.support.large_clinic import LargeClinic

BOOKINGS = 12
PAGES = {1: 18.6, 64: 4.2}
"""Of the write-ahead log for a booking on SQLite, by the number of bookings at once."""
ROUND_TRIPS = {"sqlite": 18, "postgres": 3}
"""To the engine, for a commit of one booking, with BEGIN and COMMIT. On SQLite each is a
statement."""
CALLS = 451
"""Of functions for one booking, Python's and others, in the thread that writes to SQLite."""


async def test_pages_written_on_sqlite(tmp_path: Path) -> None:
    size = LargeClinic(rows=5_000, per_dentist=50)
    async with counted_clinic(tmp_path, size) as counted:
        for at_once, budget in PAGES.items():
            written = await counted.count(at_once=at_once, commits=BOOKINGS)
            assert 0 < written.pages <= budget, f"{at_once} at once: {written}"


class Statements:
    """Counts what the writers send to the database."""

    count = 0

    @classmethod
    def taken(cls) -> int:
        taken, cls.count = cls.count, 0
        return taken


class CountingConnection(sqlite3.Connection):
    def execute(self, *arguments: object, **named: object) -> sqlite3.Cursor:
        Statements.count += 1
        return super().execute(*arguments, **named)  # type: ignore[arg-type]  # whatever it takes

    def executemany(self, *arguments: object, **named: object) -> sqlite3.Cursor:
        Statements.count += 1
        return super().executemany(*arguments, **named)  # type: ignore[arg-type]  # as above


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both engines count from the start of the store."""
    connect = partial(sqlite3.connect, factory=CountingConnection)
    monkeypatch.setattr("store.sqlite.file.sqlite3.connect", connect)
    execute, command = Pipeline.execute, Pipeline.command

    async def counted_execute(self: Pipeline, calls: Sequence[Call]) -> list[Rows]:
        Statements.count += 1
        return await execute(self, calls)

    async def counted_command(self: Pipeline, sql: str) -> str:
        Statements.count += 1
        return await command(self, sql)

    monkeypatch.setattr(Pipeline, "execute", counted_execute)
    monkeypatch.setattr(Pipeline, "command", counted_command)


async def test_statements_of_a_commit(
    counted: None, database: Database, clock: FakeClock, new_id: SerialIds
) -> None:
    engine = "postgres" if isinstance(database, PostgresDatabase) else "sqlite"
    opened = open_store(
        database.settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock
    )
    async with opened as store:
        place = await Place.found(store, clock, new_id)
        await place.book()  # prepares the statements
        Statements.taken()
        await place.book()
        alone = Statements.taken()
        assert alone <= ROUND_TRIPS[engine], alone


@pytest.fixture
def calls() -> Iterator[list[int]]:
    """The number of calls in threads that start meanwhile."""
    counted = [0]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            counted[0] += 1

    before = sys.getprofile()
    threading.setprofile(count)
    yield counted
    threading.setprofile(before)


async def test_calls_of_the_writing_thread(
    calls: list[int], tmp_path: Path, clock: FakeClock, new_id: SerialIds
) -> None:
    """The fewest of several bookings: which caches are warm must not matter."""
    settings = DatabaseSettings(url=f"sqlite:///{tmp_path / 'calls.db'}")
    upgrade(settings.url)
    opened = open_store(settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock)
    async with opened as store:
        place = await Place.found(store, clock, new_id)
        fewest = sys.maxsize
        for _ in range(BOOKINGS):
            before = calls[0]
            await place.book()
            fewest = min(fewest, calls[0] - before)
        assert 0 < fewest <= CALLS, fewest


class Place:
    """A calendar in which a patient books, one slot after another."""

    def __init__(
        self, clinic: Clinic, dentist: Profile, patient: Profile, loaded: LoadedCalendar
    ) -> None:
        self._clinic, self._loaded = clinic, loaded
        self._dentist, self._patient = dentist, patient
        self._number = 0

    @classmethod
    async def found(cls, store: Store, clock: FakeClock, new_id: SerialIds) -> "Place":
        clinic = Clinic(store, clock, new_id, Postbox())
        await clinic.found()
        dentist, patient = await clinic.add_dentist(), await clinic.add_patient()
        return cls(clinic, dentist, patient, await clinic.open(dentist))

    async def book(self) -> None:
        self._number += 1
        start = self._clinic.clock.now() + self._number * 30 * MINUTE
        row = self._clinic.row(self._dentist, self._patient, start)
        turn = self._clinic.turn(booked(row), key=client_key(row.id))
        await self._clinic.store.calendars.commit(self._clinic.commit_of(self._loaded, turn))
        await asyncio.sleep(0)
