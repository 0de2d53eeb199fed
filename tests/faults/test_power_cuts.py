"""A power cut at any moment of a busy run loses nothing that was acknowledged, on SQLite.

The run is recorded below SQLite. The image that a power cut would leave is then opened for every
synchronisation, with parts of what was not synchronised yet, torn and out of order.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from store.engine import open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from store.sqlite import file as sqlite_file
from store.transfer.verify import verify
from tests.contract.clinic import DAY, HOUR, Clinic, Postbox, booked, cancelled, render
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds
from tests.support.power_cut import Image, images
from tests.support.recorded_files import Recording, Synchronisation, library, recorded

SEED = 20
CALENDARS = 8
PAGES_BETWEEN_CHECKPOINTS = 60
"""Instead of 4,000, so that a short run has many checkpoints."""
VERIFIED_EVERY = 25
"""Every image is checked by SQLite, and one in so many by the hub's own check, too."""

pytestmark = pytest.mark.skipif(
    library() is None, reason="Python's sqlite3 does not export the functions of SQLite"
)


def pragmas(**changed: object) -> tuple[str, ...]:
    """Of the writer, with other values."""
    values = {"wal_autocheckpoint": PAGES_BETWEEN_CHECKPOINTS, **changed}
    kept = [
        each for each in sqlite_file._PRAGMAS if not any(f" {name} " in each for name in values)
    ]
    return (*kept, *(f"PRAGMA {name} = {value}" for name, value in values.items()))


async def busy_run(folder: Path, rounds: int, clock: FakeClock) -> Recording:
    """Bookings in several calendars at once, and cancellations; recorded with their replies."""
    database, new_id = folder / "clinic.db", SerialIds()
    upgrade(f"sqlite:///{database}")
    with recorded(folder) as recording:
        settings = DatabaseSettings(url=f"sqlite:///{database}")
        opened = open_store(
            settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock
        )
        async with opened as store:
            clinic = Clinic(store, clock, new_id, Postbox())
            await clinic.found()
            dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(CALENDARS)]
            patients = [await clinic.add_patient(f"Patient {n}") for n in range(CALENDARS)]
            calendars = [await clinic.open(dentist) for dentist in dentists]

            async def book(number: int, round_: int) -> None:
                start = clock.now() + DAY + round_ * HOUR
                row = clinic.row(dentists[number], patients[number], start)
                await clinic.commit(calendars[number], clinic.turn(booked(row)))
                recording.acknowledged(f"{row.id} 1")
                if round_ % 3 == 0:
                    await clinic.commit(calendars[number], clinic.turn(cancelled(row)))
                    recording.acknowledged(f"{row.id} 2")

            for round_ in range(rounds):
                at_once = range(1 + round_ % CALENDARS)
                await asyncio.gather(*(book(number, round_) for number in at_once))
    return recording


def restored(image: Image, folder: Path) -> Path:
    """The files of the image; the shared memory of the write-ahead log is gone."""
    for old in folder.glob("clinic.db*"):
        old.unlink()
    for name, content in image.files.items():
        if name.startswith("clinic.db") and (content or name == "clinic.db"):
            (folder / name).write_bytes(content)
    return folder / "clinic.db"


def lost(image: Image, database: Path) -> list[str]:
    """What was acknowledged and is not there; damage raises an error."""
    with closing(sqlite3.connect(database)) as connection:
        (found,) = connection.execute("PRAGMA quick_check").fetchone()
        assert found == "ok", (image, found)
        rows = connection.execute("SELECT id, version FROM appointments")
        versions: dict[str, int] = dict(rows.fetchall())
    replies = (key.split() for key in image.acknowledged)
    return [id_ for id_, version in replies if versions.get(id_, 0) < int(version)]


def examined(recording: Recording, folder: Path, *, at_each: int) -> Iterator[tuple[Image, Path]]:
    for image in images(recording, SEED, at_each=at_each):
        yield image, restored(image, folder)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    folder = tmp_path / "after"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("rounds", "at_each", "least"),
    [
        pytest.param(16, 1, 300, id="short"),
        pytest.param(120, 9, 5_000, id="long", marks=pytest.mark.long),
    ],
)
async def test_a_power_cut_loses_nothing_that_was_acknowledged(
    rounds: int,
    at_each: int,
    least: int,
    tmp_path: Path,
    other: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_file, "_PRAGMAS", pragmas())
    recording = await busy_run(tmp_path, rounds, clock)
    seen: Counter[str] = Counter()
    for image, database in examined(recording, other, at_each=at_each):
        assert lost(image, database) == [], image
        if sum(seen.values()) % VERIFIED_EVERY == 0:
            assert verify(f"sqlite:///{database}").problems == (), image
        seen["all" if image.kept == "all" else "part"] += 1
    assert sum(seen.values()) >= least, seen
    synchronised = Counter(
        each.file for each in recording.operations if isinstance(each, Synchronisation)
    )
    assert synchronised["clinic.db-wal"] > rounds, "every commit"
    assert synchronised["clinic.db"] >= rounds // 8, "checkpoints"


async def test_without_full_synchronisation_the_same_cuts_lose_bookings(
    tmp_path: Path, other: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The harness finds a loss where there is one."""
    monkeypatch.setattr(sqlite_file, "_PRAGMAS", pragmas(synchronous="NORMAL"))
    recording = await busy_run(tmp_path, 10, clock)
    found = [
        image for image, database in examined(recording, other, at_each=1) if lost(image, database)
    ]
    assert found, "nothing was lost"
