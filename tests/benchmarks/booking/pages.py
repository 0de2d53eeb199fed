"""What a booking writes and executes on SQLite, counted in a store of this process.

Nothing here depends on the speed of the machine, so a test holds the counts to a budget.
"""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from uuid_utils import uuid7

from actors.domain.appointment import AppointmentType
from actors.domain.ids import AppointmentTypeId, ProfileId
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.schedule import Schedule
from actors.ports.calendars import LoadedCalendar
from actors.ports.events import Delivery
from api.schemas.render import render
from store import open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from store.sql.codec import schedule_json
from store.sql.prepared import once
from store.sql.writer import step_job
from store.sqlite.writer import SqliteWriter
from tests.contract.clinic import MINUTE, Clinic, Postbox, booked, client_key
from tests.support.clock import FakeClock
from tests.support.large_clinic import LargeClinic

_FRAME_BYTES = 4096 + 24
"""Of the write-ahead log: a page and its header."""
_WAL_HEADER_BYTES = 32
_PATIENCE_S = 10.0
_FIRST = datetime(2031, 1, 1, tzinfo=UTC)
"""After every appointment that the clinic has already."""


@dataclass(frozen=True, slots=True)
class Written:
    """Of one booking, on average."""

    pages: float
    """Pages of the write-ahead log, those of the marks included."""
    of_marks: float
    """The part of ``pages`` that marks the events as broadcast."""


class CountedClinic:
    """A large clinic in a SQLite file, in which bookings are counted."""

    def __init__(self, path: Path, clinic: Clinic, size: LargeClinic) -> None:
        self._clinic, self._size = clinic, size
        assert isinstance(clinic.store._writer, SqliteWriter)
        self._path, self._queue = path, clinic.store._writer._queue
        self._wal = path.with_name(f"{path.name}-wal")
        self._random = random.Random(1)  # the same patients in every run
        self._dentists = [_person(Role.DENTIST, f"d{n}") for n in range(size.dentists)]
        self._opened: list[LoadedCalendar] = []
        self._next = 0

    async def open(self) -> None:
        self._opened = [await self._clinic.open(dentist) for dentist in self._dentists]

    async def count(self, *, at_once: int, commits: int) -> Written:
        """Book so many appointments in one commit, again and again."""
        written = of_marks = 0
        for _ in range(commits):
            async with self._writer_waits():
                bookings = [asyncio.create_task(self._book()) for _ in range(at_once)]
                await asyncio.sleep(0)  # each is queued before it waits
                assert len(self._queue) == at_once
                began = self._pages()
            await asyncio.gather(*bookings)
            booked_at = self._pages()
            await self._mark()
            written += self._pages() - began
            of_marks += self._pages() - booked_at
        return Written(written / (at_once * commits), of_marks / (at_once * commits))

    @asynccontextmanager
    async def _writer_waits(self) -> AsyncIterator[None]:
        """The jobs of the block are in one commit: until its end a writer waits for a lock."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            store = self._clinic.store
            nothing = asyncio.create_task(store._writer.run(step_job(once(store._sql.lock_hub))))
            await asyncio.sleep(0)
            async with asyncio.timeout(_PATIENCE_S):
                while self._queue:  # noqa: ASYNC110  # a thread takes the job, and tells nobody
                    await asyncio.sleep(0.001)
            yield
            other.execute("ROLLBACK")
        await nothing

    async def _book(self) -> None:
        number, self._next = self._next, self._next + 1
        which = number * 7 % len(self._dentists)
        patient = _person(Role.PATIENT, f"p{self._random.randrange(self._size.patients)}")
        row = self._clinic.row(self._dentists[which], patient, _FIRST + number * 30 * MINUTE)
        turn = self._clinic.turn(booked(row), key=client_key(row.id))
        commit = self._clinic.commit_of(self._opened[which], turn)
        await self._clinic.store.calendars.commit(commit)

    async def _mark(self) -> None:
        await asyncio.sleep(0)  # the publisher is called after the callers
        records = self._clinic.postbox.records
        self._clinic.postbox.batches.clear()
        deliveries = [
            Delivery(
                channel=record.channel,
                position=record.position,
                sent=True,
                at=record.time + timedelta(milliseconds=2),
                latency_ms=2.0,
                attempts=1,
                recipients=1,
            )
            for record in records
        ]
        await self._clinic.store.events.mark(deliveries)

    def _pages(self) -> int:
        return max(0, self._wal.stat().st_size - _WAL_HEADER_BYTES) // _FRAME_BYTES


@asynccontextmanager
async def counted_clinic(folder: Path, size: LargeClinic) -> AsyncIterator[CountedClinic]:
    """The file grows during a count, because a second connection prevents checkpoints."""
    path = folder / "counted.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    size.fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        open_all_day = schedule_json(Schedule(time_zone="UTC"))
        connection.execute("UPDATE calendars SET schedule = ?", (open_all_day,))
    clock, postbox = FakeClock(), Postbox()
    opened = open_store(
        DatabaseSettings(url=url), render=render, publisher=postbox, new_id=_new_id, clock=clock
    )
    async with opened as store:
        clinic = Clinic(store, clock, _new_id, postbox)
        clinic.kind = AppointmentType(
            id=AppointmentTypeId("t"), name="Check-up", duration_minutes=30
        )
        counted = CountedClinic(path, clinic, size)
        await counted.open()
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            reader.execute("BEGIN")
            reader.execute("SELECT 1 FROM hub").fetchone()
            yield counted


def _person(role: Role, id_: str) -> Profile:
    zone = "UTC" if role is Role.DENTIST else None
    return Profile(
        id=ProfileId(id_),
        subject=None,
        role=role,
        name="Somebody",
        email=None,
        phone=None,
        time_zone=zone,
        created_by=None,
        version=1,
    )


def _new_id() -> str:
    return str(uuid7())


async def count_pages(
    folder: Path, *, rows: int, sizes: Sequence[tuple[int, int]]
) -> list[Written]:
    """For each number of bookings at once, and of commits."""
    async with counted_clinic(folder, LargeClinic(rows=rows, per_dentist=1_000)) as counted:
        return [await counted.count(at_once=many, commits=times) for many, times in sizes]
