"""Durable bookings a second: the store's group commit against a commit each with aiosqlite.

``python -m tests.benchmarks.bench_commit [--seconds 2] [--rounds 3]``

One booking of the store is all of it: fence, three events in three channels, checks of
the patient, names, rendered bodies, reply under its key, audit. The plain way writes the
appointment row alone, after looking for an overlap. Rounds of both are interleaved; only
the ratio means something, and the machine and interpreter are printed beside it.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import sysconfig
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import aiosqlite
from uuid_utils import uuid7

from actors.domain.profile import Profile
from actors.ports.calendars import LoadedCalendar
from actors.ports.events import EventRecord
from store import open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.contract.clinic import MINUTE, Clinic, Postbox, booked, client_key, render
from tests.support.clock import FakeClock

CALENDARS = 64
WORKERS = (1, 16, 64)

Book = Callable[[int, int], Awaitable[None]]
"""Book the n-th slot of a worker's own calendar, durably."""


class Forgetful(Postbox):
    def publish(self, records: Sequence[EventRecord]) -> None:
        """No subscribers, and memory stays flat."""


class Way(Protocol):
    async def set_up(self) -> None: ...

    async def book(self, worker: int, n: int) -> None: ...


class StoreBookings:
    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._patients: list[Profile] = []
        self._dentists: list[Profile] = []
        self._loaded: list[LoadedCalendar] = []

    async def set_up(self) -> None:
        await self._clinic.found()
        for n in range(CALENDARS):
            self._dentists.append(await self._clinic.add_dentist(f"Dr {n}"))
            self._patients.append(await self._clinic.add_patient(f"Pat {n}"))
            self._loaded.append(await self._clinic.open(self._dentists[n]))

    async def book(self, worker: int, n: int) -> None:
        clinic = self._clinic
        start = clinic.clock.now() + n * 30 * MINUTE
        row = clinic.row(self._dentists[worker], self._patients[worker], start)
        turn = clinic.turn(booked(row), key=client_key(row.id))
        await clinic.store.calendars.commit(clinic.commit_of(self._loaded[worker], turn))


class PlainBookings:
    """The typical way: look for an overlap, insert, commit, over one connection."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    async def set_up(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            await self._connection.execute(f"PRAGMA {pragma}")
        await self._connection.execute(
            "CREATE TABLE appointments (id TEXT PRIMARY KEY, dentist_id TEXT, patient_id TEXT, "
            "starts_at INTEGER, ends_at INTEGER, status TEXT)"
        )
        await self._connection.execute("CREATE INDEX days ON appointments (dentist_id, starts_at)")
        await self._connection.commit()

    async def book(self, worker: int, n: int) -> None:
        dentist, start = f"dentist {worker}", n * 30
        async with self._lock:
            async with self._connection.execute(
                "SELECT 1 FROM appointments WHERE dentist_id = ? AND starts_at < ? "
                "AND ends_at > ? AND status = 'confirmed'",
                (dentist, start + 30, start),
            ) as overlaps:
                assert await overlaps.fetchone() is None
            await self._connection.execute(
                "INSERT INTO appointments VALUES (?, ?, ?, ?, ?, 'confirmed')",
                (new_id(), dentist, f"patient {worker}", start, start + 30),
            )
            await self._connection.commit()


class Bench:
    """Keeps count of what each worker booked, over all rounds."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._next = [1] * CALENDARS

    async def run(self, workers: int, seconds: float) -> float:
        """Bookings a second with so many clients, each sending its next when answered."""
        end, count = time.perf_counter() + seconds, 0

        async def work(worker: int) -> None:
            nonlocal count
            while time.perf_counter() < end:
                n, self._next[worker] = self._next[worker], self._next[worker] + 1
                await self._book(worker, n)
                count += 1

        started = time.perf_counter()
        await asyncio.gather(*(work(worker) for worker in range(workers)))
        return count / (time.perf_counter() - started)


def new_id() -> str:
    return str(uuid7())


class WallClock(FakeClock):
    def monotonic(self) -> float:
        return time.monotonic()


async def main(seconds: float, rounds: int) -> None:
    built = sysconfig.get_config_var("CONFIG_ARGS") or ""
    print(
        f"{platform.python_implementation()} {platform.python_version()} "
        f"({'optimised' if '--enable-optimizations' in built else 'not optimised'}), "
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    )
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'clinic.db'}"
        upgrade(url)
        async with (
            open_store(
                DatabaseSettings(url=url),
                render=render,
                publisher=Forgetful(),
                new_id=new_id,
                clock=WallClock(),
            ) as store,
            aiosqlite.connect(Path(folder) / "plain.db") as connection,
        ):
            clinic = Clinic(store, WallClock(), new_id, Forgetful())
            ways: dict[str, Way] = {
                "store": StoreBookings(clinic),
                "plain": PlainBookings(connection),
            }
            for way in ways.values():
                await way.set_up()
            benches = {name: Bench(way.book) for name, way in ways.items()}
            await compare(benches, seconds, rounds)
            print(f"largest batch: {store.stats.largest_batch} commits")


async def compare(benches: dict[str, Bench], seconds: float, rounds: int) -> None:
    print(f"{'clients':>8} {'store/s':>10} {'plain/s':>10} {'ratio':>7}")
    for workers in WORKERS:
        rates: dict[str, list[float]] = {name: [] for name in benches}
        for _ in range(rounds):
            for name, bench in benches.items():
                rates[name].append(await bench.run(workers, seconds))
        ours, theirs = (statistics.median(rates[name]) for name in ("store", "plain"))
        print(f"{workers:>8} {ours:>10.0f} {theirs:>10.0f} {ours / theirs:>7.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.seconds, options.rounds)))
