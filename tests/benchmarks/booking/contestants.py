"""The servers as processes on a core of their own, and how to book with each."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import aiohttp

from store.migrations.migrate import upgrade
from tests.benchmarks.booking.measures import MINUTES, Book, Server, children, process_s
from tests.support.api import Api
from tests.support.clinic import ADMIN, instant, schedule
from tests.support.database import Database, OnPostgres
from tests.support.ports import free_port
from tests.support.postgres import ADMIN as POSTGRES_ADMIN
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.process import ROOT, UNLIMITED, hub_process
from tests.support.tokens import token

CALENDARS = {100: 0, 3: 100, 1: 103}
"""The first calendar of each load, by its number of calendars: no load slows another."""
DENTISTS = 104
PATIENTS = {100: (0, 400), 3: (400, 100), 1: (500, 100)}
"""The first patient, and how many, by the number of calendars."""
EVERYBODY = 600
START_S = 20.0


class Surroundings:
    """What the servers of one run share."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self.folder, self.session = folder, session

    @cached_property
    def postgres(self) -> PostgresServer:
        """As a clinic would run it: on the disk, and every commit waits for it."""
        return postgres_server(durable=True)

    def postgres_costs(self) -> tuple[float, int]:
        """Processor seconds of all its processes, and bytes of its write-ahead log, so far."""
        pid = self.postgres.pid
        seconds = sum(map(process_s, (pid, *children(pid))))
        ((written,),) = self.postgres.run("postgres", "SELECT pg_current_wal_lsn() - '0/0'")
        return seconds, int(written)


Start = Callable[[Surroundings], AbstractAsyncContextManager[Server]]


@dataclass(frozen=True, slots=True)
class Contestant:
    name: str
    start: Start


@dataclass(frozen=True, slots=True)
class Slot:
    """What the n-th booking is: each number its own, and no patient twice at one time."""

    dentist: int
    patient: int
    start: datetime

    @classmethod
    def of(cls, number: int, calendars: int) -> "Slot":
        nth, dentist = divmod(number, calendars)
        first, many = PATIENTS[calendars]
        tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
        assert many % 7, "or the patients of one start would repeat"
        return cls(
            dentist=CALENDARS[calendars] + dentist,
            patient=first + (number * 7 + nth) % many,
            start=tomorrow + timedelta(minutes=MINUTES * nth),
        )


# --- this hub -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clinic:
    """A hub's clinic: calendars that are open day and night."""

    dentists: list[str]
    patients: list[str]
    """Their tokens."""
    kind: str

    @classmethod
    async def found(cls, session: aiohttp.ClientSession, url: str) -> "Clinic":
        admin = Api(session, url, ADMIN)
        made = await admin.post(
            "/api/appointment-types", {"name": "Check-up", "duration_minutes": MINUTES}
        )
        dentists = [await dentist(session, url, admin, n) for n in range(DENTISTS)]
        patients = [token("patient", f"p{n}", ttl_s=24 * 3_600) for n in range(EVERYBODY)]
        for bearer in patients:
            assert (await Api(session, url, bearer).get("/api/profiles/me")).status == 200
        return cls(dentists, patients, made.body["id"])

    def booker(self, session: aiohttp.ClientSession, url: str) -> Book:
        async def book(number: int, calendars: int) -> int:
            slot = Slot.of(number, calendars)
            headers = {
                "Authorization": f"Bearer {self.patients[slot.patient]}",
                "Idempotency-Key": f"key-{calendars}-{number}",
            }
            body = {
                "dentist_id": self.dentists[slot.dentist],
                "appointment_type_id": self.kind,
                "start": instant(slot.start),
            }
            return await _posted(session, url, body, headers)

        return book


async def dentist(session: aiohttp.ClientSession, url: str, admin: Api, number: int) -> str:
    subject = f"d{number}"
    made = await admin.post(
        "/api/profiles", {"role": "dentist", "subject": subject, "name": f"Dentist {number}"}
    )
    hours = [
        {"weekday": rule["weekday"], "start": "00:00", "end": "24:00"}
        for rule in schedule()["rules"]
    ]
    saved = await Api(session, url, token("dentist", subject)).put(
        f"/api/availability/{made.body['id']}", schedule(rules=hours)
    )
    assert saved.status == 200, saved.body
    return str(made.body["id"])


@asynccontextmanager
async def _hub(
    name: str,
    database: Database,
    around: Surroundings,
    costs: Callable[[], tuple[float, int]] = lambda: (0.0, 0),
) -> AsyncIterator[Server]:
    with on_the_servers_core():
        running = hub_process(database, around.folder, **UNLIMITED)
        hub = await running.__aenter__()
    try:
        clinic = await Clinic.found(around.session, hub.url)
        yield Server(name, hub.pid, clinic.booker(around.session, hub.url), costs)
        await hub.stop()
    finally:
        await running.__aexit__(None, None, None)


@asynccontextmanager
async def _hub_on_sqlite(around: Surroundings) -> AsyncIterator[Server]:
    database = around.folder / "chairside.db"
    upgrade(f"sqlite:///{database}")
    async with _hub(HUB.name, database, around) as server:
        yield server


@asynccontextmanager
async def _hub_on_postgres(around: Surroundings) -> AsyncIterator[Server]:
    server = around.postgres
    name = server.create()
    upgrade(server.url(name), migrate_url=server.url(name, POSTGRES_ADMIN))
    database = OnPostgres(server=server, name=name)
    async with _hub(HUB_ON_POSTGRES.name, database, around, around.postgres_costs) as running:
        yield running


# --- the others -----------------------------------------------------------------------


@asynccontextmanager
async def _row_lock(around: Surroundings) -> AsyncIterator[Server]:
    database = around.postgres.create()
    url = around.postgres.url(database, POSTGRES_ADMIN)
    dentists, patients = _ids(DENTISTS), _ids(EVERYBODY)
    port = free_port()
    environ = {
        "DATABASE_URL": url.replace("postgresql://", "postgresql+asyncpg://"),
        "DENTISTS": " ".join(dentists),
    }
    async with _process("row_lock_server", str(port), environ=environ) as process:
        url = f"http://127.0.0.1:{port}"
        await _until_it_listens(process, port)

        async def book(number: int, calendars: int) -> int:
            slot = Slot.of(number, calendars)
            body = {
                "dentist_id": dentists[slot.dentist],
                "patient_id": patients[slot.patient],
                "start": instant(slot.start),
            }
            return await _posted(around.session, url, body, {})

        yield Server(ROW_LOCK.name, process.pid, book, around.postgres_costs)


@asynccontextmanager
async def _bare(around: Surroundings) -> AsyncIterator[Server]:
    """Gets exactly the hub's requests."""
    async with _process("bare_server", stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{(await process.stdout.readline()).decode().strip()}"
        patients = [token("patient", f"p{n}") for n in range(EVERYBODY)]
        clinic = Clinic(_ids(DENTISTS), patients, _ids(1)[0])
        yield Server(BARE.name, process.pid, clinic.booker(around.session, url))


def _ids(how_many: int) -> list[str]:
    return [f"10000000-0000-7000-8000-{n:012}" for n in range(how_many)]


async def _posted(
    session: aiohttp.ClientSession, url: str, body: dict[str, str], headers: dict[str, str]
) -> int:
    async with session.post(f"{url}/api/appointments", json=body, headers=headers) as answer:
        await answer.read()
        return answer.status


@asynccontextmanager
async def _process(
    module: str,
    *arguments: str,
    stdout: int = asyncio.subprocess.DEVNULL,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[asyncio.subprocess.Process]:
    with on_the_servers_core():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"tests.benchmarks.booking.{module}", *arguments),
            cwd=ROOT,
            env={**os.environ, **environ},
            stdout=stdout,
        )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _until_it_listens(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.returncode is None, "it did not start"
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@contextmanager
def on_the_servers_core() -> Iterator[None]:
    """Processes started here stay on the first core; the clients have the last."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores())})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def all_cores() -> set[int]:
    """Those of the machine that this process was started with."""
    return _CORES


_CORES = os.sched_getaffinity(0)

HUB = Contestant("this hub, SQLite", _hub_on_sqlite)
HUB_ON_POSTGRES = Contestant("this hub, PostgreSQL", _hub_on_postgres)
ROW_LOCK = Contestant("FastAPI, ORM, row lock", _row_lock)
BARE = Contestant("bare aiohttp, stores nothing", _bare)
ALL = {"hub": HUB, "hub-postgres": HUB_ON_POSTGRES, "row-lock": ROW_LOCK, "bare": BARE}
