"""What is SQLite's own: the writer lane, its one thread, its file."""

import asyncio
import os
import random
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.domain.announcements import Body
from actors.domain.events import ProfileSaved
from actors.ports.commits import (
    Committed,
    ConstraintViolated,
    OutcomeUnknown,
    StoreUnavailable,
    TurnRefused,
)
from actors.ports.rendering import Names
from store.engine import open_store
from store.migrations.migrate import SchemaTooOld
from store.settings import DatabaseSettings
from store.sql.lockfile import DatabaseInUse
from tests.contract.clinic import ADMIN, DAY, MINUTE, Clinic, Postbox, booked, client_key, render
from tests.contract.engines import SqliteDatabase, sqlite_template
from tests.contract.test_records import renamed
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sqlite_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def database(template: Path, tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(template, tmp_path)


class Meter:
    """Counts what the store reports of its transactions."""

    def __init__(self) -> None:
        self.commits: list[int] = []

    def __call__(self, turns: int, seconds: float) -> None:
        assert seconds >= 0
        self.commits.append(turns)


@pytest.fixture
def meter() -> Meter:
    return Meter()


BAD_NAME = "cannot be rendered"


def fussy_render(body: Body, names: Names) -> bytes:
    if BAD_NAME in repr(body):
        raise LookupError(BAD_NAME)
    return render(body, names)


@pytest.fixture
async def clinic(
    database: SqliteDatabase,
    clock: FakeClock,
    new_id: SerialIds,
    postbox: Postbox,
    meter: Meter,
) -> AsyncIterator[Clinic]:
    async with open_store(
        database.settings,
        render=fussy_render,
        publisher=postbox,
        new_id=new_id,
        clock=clock,
        on_commit=meter,
    ) as store:
        clinic = Clinic(store, clock, new_id, postbox)
        await clinic.found()
        postbox.batches.clear()
        yield clinic


@contextmanager
def full_disk(path: Path, room_bytes: int = 0) -> Iterator[None]:
    """No file of this process may grow beyond what the log of the database has now."""
    wal = path.with_name(path.name + "-wal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + room_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_when_commit_fails_the_outcome_is_unknown_until_looked_up(
    clinic: Clinic, database: SqliteDatabase
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    turn = clinic.turn(booked(row), key=client_key("k"))
    clinic.postbox.batches.clear()
    with full_disk(database.path), pytest.raises(OutcomeUnknown):
        await clinic.commit(loaded, turn)
    assert clinic.postbox.batches == []
    again = await clinic.open(ann)
    written = await clinic.store.calendars.replies([turn.key])
    assert bool(written) == (await clinic.stored(row) is not None)
    assert not written
    await clinic.commit(again, turn)
    assert await clinic.stored(row) == row


async def test_when_commit_fails_refusals_are_not_believed(
    clinic: Clinic, database: SqliteDatabase
) -> None:
    """The second was refused because of the first, which may be lost: both must retry."""
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    row = clinic.row(ann, pat)
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    at_bobs = clinic.turn(booked(clinic.row(bob, pat, row.start)))
    with full_disk(database.path):
        results = await asyncio.gather(
            clinic.commit(at_ann, clinic.turn(booked(row))),
            clinic.commit(at_bob, at_bobs),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [OutcomeUnknown, StoreUnavailable]
    await clinic.commit(at_bob, at_bobs)


async def test_a_bug_in_one_plan_fails_that_plan_alone(
    clinic: Clinic, logged: list[MutableMapping[str, Any]]
) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient("Pat"),
        await clinic.add_patient("Pia"),
    ]
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    results = await asyncio.gather(
        clinic.save(renamed(pat, BAD_NAME)),
        clinic.commit(loaded, clinic.turn(booked(row))),
        clinic.save(renamed(pia, "Pia Pan")),
        return_exceptions=True,
    )
    assert isinstance(results[0], LookupError)
    assert "plan_failed" in [entry["event"] for entry in logged]
    assert isinstance(results[1], Committed)
    found = await clinic.store.profiles.by_id(pat.id)
    assert found == pat


async def test_a_value_sqlite_cannot_hold_fails_its_turn_alone(clinic: Clinic) -> None:
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    impossible = ProfileSaved(before=pat, after=renamed(pat).after)
    huge = clinic.record_turn(impossible, version=2**70)
    results = await asyncio.gather(
        clinic.store.records.commit_record(huge),
        clinic.save(renamed(pia)),
        return_exceptions=True,
    )
    assert isinstance(results[0], OverflowError)
    assert isinstance(results[1], bytes)


async def test_what_waits_together_is_committed_together(clinic: Clinic, meter: Meter) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(10)]
    people = [await clinic.add_patient(f"Pat {n}") for n in range(10)]
    loaded = [await clinic.open(one) for one in dentists]
    meter.commits.clear()
    before = clinic.store.stats.transactions
    turns = [clinic.turn(booked(clinic.row(d, p))) for d, p in zip(dentists, people, strict=True)]
    await asyncio.gather(*(clinic.commit(a, turn) for a, turn in zip(loaded, turns, strict=True)))
    assert sum(meter.commits) == 10
    assert len(meter.commits) <= 2
    assert clinic.store.stats.transactions - before == len(meter.commits)
    assert clinic.store.stats.largest_batch >= 5


async def test_second_hub_is_refused_with_the_holders_name(
    clinic: Clinic, database: SqliteDatabase, clock: FakeClock, new_id: SerialIds
) -> None:
    with pytest.raises(DatabaseInUse, match=r"pid \d+ on "):
        async with open_store(
            database.settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock
        ):
            pass
    await clinic.store.ping()


async def test_a_database_that_was_never_migrated_is_refused(
    tmp_path: Path, clock: FakeClock, new_id: SerialIds
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(SchemaTooOld):
        async with open_store(
            DatabaseSettings(url=url),
            render=render,
            publisher=Postbox(),
            new_id=new_id,
            clock=clock,
        ):
            pass
    assert os.listdir(tmp_path) == []


async def test_a_file_put_in_place_of_the_database_is_used_or_refused(
    clinic: Clinic, database: SqliteDatabase, template: Path
) -> None:
    """Writing on to the file that was removed would lose what is acknowledged."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    for part in database.path.parent.glob("clinic.db*"):
        if part.suffix != ".lock":
            part.unlink()
    with pytest.raises(StoreUnavailable):
        await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))
    sqlite3.connect(database.path).close()
    database.path.touch()
    with pytest.raises(StoreUnavailable, match="another schema"):
        await clinic.store.profiles.record_search(ADMIN, "r", 0)
    shutil.copy(template, database.path)
    await clinic.store.ping()
    assert await clinic.store.profiles.by_id(pat.id) is None


async def test_reading_connections_cannot_write(clinic: Clinic) -> None:
    async with clinic.store._readers.hub() as connection:
        with pytest.raises(Exception, match="readonly database"):
            await connection.exec_driver_sql("DELETE FROM profiles")


async def test_a_cancelled_reader_leaves_the_pool_usable(clinic: Clinic) -> None:
    pat = await clinic.add_patient()
    for _ in range(20):
        tasks = [asyncio.create_task(clinic.store.profiles.by_id(pat.id)) for _ in range(8)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [pat] * 4


async def test_every_row_the_trigger_lets_pass_overlaps_nothing(
    clinic: Clinic, database: SqliteDatabase
) -> None:
    """A day of random intervals, against the plain definition of overlap."""
    ann = await clinic.add_dentist()
    people = [await clinic.add_patient(f"Pat {n}") for n in range(40)]
    loaded, chance = await clinic.open(ann), random.Random(7)
    kept: list[tuple[int, int]] = []
    for pat in people * 5:
        first, length = chance.randrange(0, 600), chance.choice([10, 20, 45, 90])
        row = clinic.row(ann, pat, clinic.clock.now() + DAY + first * MINUTE, minutes=length)
        free = all(first + length <= start or end <= first for start, end in kept)
        if free:
            await clinic.commit(loaded, clinic.turn(booked(row)))
            kept.append((first, first + length))
        else:
            with pytest.raises((ConstraintViolated, TurnRefused)):
                await clinic.commit(loaded, clinic.turn(booked(row)))
    assert len(kept) > 5
