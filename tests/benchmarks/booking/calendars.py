"""How the cost of a booking depends on the number of calendars, cold and in memory."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from actors.domain.schedule import Schedule, Weekday, WeeklyRule, Window
from store.migrations.migrate import upgrade
from store.sql.codec import schedule_json
from tests.benchmarks.booking.contestants import Surroundings, on_the_servers_core
from tests.benchmarks.booking.measures import MINUTES, Costs, Server, memory_bytes
from tests.support.api import Api
from tests.support.clinic import ADMIN, instant
from tests.support.process import UNLIMITED, hub_process
from tests.support.tokens import token

CLIENTS = 64
COLD, WARM = 5_000, (10, 1_000, 10_000)
"""Calendars: booked for the first time, and in memory."""
BOOKINGS = 3_000
"""For each number of calendars in memory."""
_PATIENTS = 600
_PEOPLE = (
    "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)"
    " INSERT INTO profiles (id, subject, role, name, time_zone, version, search_text)"
    " SELECT printf('10000000-0000-7000-8000-%012d', n), 'd' || n, 'dentist', 'Dr ' || n, 'UTC',"
    " 1, 'dr ' || n FROM numbers"
)
_CALENDARS = "INSERT INTO calendars SELECT id, 0, NULL, ?, 1 FROM profiles WHERE role = 'dentist'"


@dataclass(frozen=True, slots=True)
class CalendarFigures:
    cold: Costs
    """Of the first booking at a calendar that is not in memory."""
    warm: Mapping[int, Costs]
    """Of a booking, by the number of calendars in memory."""
    bytes_each: float
    """Memory of a calendar with one appointment."""


async def measure_calendars(around: Surroundings) -> CalendarFigures:
    few, some, most = WARM
    path = around.folder / "calendars.db"
    upgrade(f"sqlite:///{path}")
    _fill(path.as_posix(), most)
    async with AsyncExitStack() as stack:
        with on_the_servers_core():
            hub = await stack.enter_async_context(hub_process(path, around.folder, **UNLIMITED))
        book = await _booker(around, hub.url)
        server = Server("", hub.pid, lambda number, _: book(number, 1))
        warm: dict[int, Costs] = {}
        started = _Counter(server, book)
        for known, wanted in ((0, few), (few, some)):
            await started.first_bookings(known, wanted)
            warm[wanted] = await started.bookings(wanted)
        cold = await started.first_bookings(some, some + COLD)
        before = memory_bytes(hub.pid)
        await started.first_bookings(some + COLD, most)
        each = (memory_bytes(hub.pid) - before) / (most - some - COLD)
        warm[most] = await started.bookings(most)
        await hub.stop()
    return CalendarFigures(cold, warm, each)


class _Counter:
    def __init__(self, server: Server, book: Callable[[int, int], Awaitable[int]]) -> None:
        self._server, self._book = server, book
        self._next_start = 0

    async def first_bookings(self, first: int, last: int) -> Costs:
        """One at each of the calendars from ``first`` on."""
        return await self._run([(number, number - first) for number in range(first, last)])

    async def bookings(self, calendars: int) -> Costs:
        return await self._run([(n % calendars, n) for n in range(BOOKINGS)])

    async def _run(self, wanted: list[tuple[int, int]]) -> Costs:
        """Calendars, and numbers of bookings: at most one of a calendar at one start."""
        together = min(_PATIENTS, len({calendar for calendar, _ in wanted}))
        base, before = self._next_start, self._server.costs()
        queue = iter(wanted)

        async def client() -> None:
            for calendar, number in queue:
                start, patient = base + number // together, number % together
                status = await self._book(calendar, start * _PATIENTS + patient)
                assert status == 201, f"the hub answered {status}"

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        self._next_start += len(wanted) // together + 1
        return self._server.costs().each(before, len(wanted))


async def _booker(around: Surroundings, url: str) -> Callable[[int, int], Awaitable[int]]:
    """Books at a calendar; the number gives the start and the patient."""
    made = await Api(around.session, url, ADMIN).post(
        "/api/appointment-types", {"name": "Check-up", "duration_minutes": MINUTES}
    )
    patients = [
        Api(around.session, url, token("patient", f"p{n}", ttl_s=24 * 3_600))
        for n in range(_PATIENTS)
    ]
    for patient in patients:
        assert (await patient.get("/api/profiles/me")).status == 200
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)

    async def book(calendar: int, number: int) -> int:
        nth, patient = divmod(number, _PATIENTS)
        body = {
            "dentist_id": f"10000000-0000-7000-8000-{calendar:012}",
            "appointment_type_id": made.body["id"],
            "start": instant(tomorrow + timedelta(minutes=MINUTES * nth)),
        }
        return (await patients[patient].post("/api/appointments", body)).status

    return book


def _fill(path: str, calendars: int) -> None:
    """Calendars that are open day and night."""
    always = tuple(WeeklyRule(weekday=day, window=Window(0, 24 * 60)) for day in Weekday)
    schedule = schedule_json(Schedule(time_zone="UTC", rules=always))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(_PEOPLE, (calendars,))
        connection.execute(_CALENDARS, (schedule,))
