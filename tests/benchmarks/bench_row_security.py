"""What row-level security costs a list on PostgreSQL, from ten thousand rows to a million.

Prints, for each size, the time of one dentist's week and of one patient's list as the hub
reads them, and at the largest size the plans that the server chose for the same statements.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import structlog
from sqlalchemy import event

from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.principal import Principal, Role
from actors.ports import AppointmentQuery
from hub.clock import SystemClock, new_id
from store.engine import Store, open_store
from store.migrate import upgrade
from store.readers import NOTHING_ASKED
from store.security.postgres import reading_claims
from tests.contract.clinic import Postbox, render
from tests.support.postgres import ADMIN, PostgresServer, postgres_server

SIZES = (10_000, 100_000, 1_000_000)
PER_DENTIST, PER_PATIENT = 5_000, 20
ROUNDS = 50
_TELLING = re.compile("Scan|Index Cond|Join|Nested|Sort|Limit|Aggregate|Time:")
FIRST = datetime(2027, 1, 4, tzinfo=UTC)

_FOUND = (
    "INSERT INTO appointment_types VALUES ('t', 'Check-up', 30, 0, 0, 1)",
    """INSERT INTO profiles (id, role, name, version, search_text)
       SELECT 'd' || n, 'dentist', 'Dr ' || n, 1, 'dr' FROM generate_series(0, {dentists} - 1) n""",
    """INSERT INTO calendars
       SELECT 'd' || n, 1, NULL, '{{}}', 1 FROM generate_series(0, {dentists} - 1) n""",
    """INSERT INTO profiles (id, role, name, version, search_text)
       SELECT 'p' || n, 'patient', 'P ' || n, 1, 'p' FROM generate_series(0, {patients} - 1) n""",
    """INSERT INTO appointments
       SELECT 'a' || n, 'd' || n % {dentists}, 'p' || (n / {dentists} * 7919 + n) % {patients}, 't',
              '2027-01-04Z'::timestamptz + n / {dentists} * interval '30 minutes',
              '2027-01-04Z'::timestamptz + (n / {dentists} + 1) * interval '30 minutes', 0, 0,
              'confirmed', NULL, 1, false, 'patient', NULL, NULL, now(), now(), 'p', 'system'
       FROM generate_series({first}, {last} - 1) n""",
)
AT_ONCE = 100_000
_UNCHECKED = "SET LOCAL session_replication_role = replica"  # no look at what refers to what


@dataclass(frozen=True, kw_only=True)
class Reading:
    name: str
    principal: Principal
    query: AppointmentQuery


DENTISTS_WEEK = Reading(
    name="a dentist's week",
    principal=Principal(role=Role.DENTIST, subject="", person=ProfileId("d1")),
    query=AppointmentQuery(
        statuses=frozenset(),
        dentist_id=DentistId(ProfileId("d1")),
        starts_from=FIRST + timedelta(days=28),
        starts_before=FIRST + timedelta(days=35),
        limit=500,
    ),
)
PATIENTS_LIST = Reading(
    name="a patient's list",
    principal=Principal(role=Role.PATIENT, subject="", person=ProfileId("p1")),
    query=AppointmentQuery(
        statuses=frozenset(), patient_id=PatientId(ProfileId("p1")), descending=True
    ),
)
READINGS = (DENTISTS_WEEK, PATIENTS_LIST)


def founded(server: PostgresServer, rows: int) -> str:
    """Filled without the guards against double booking, which no list looks at."""
    name = server.create()
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
    for whose in ("dentist", "patient"):
        server.run(name, f"ALTER TABLE appointments DROP CONSTRAINT appointments_{whose}_overlap")
    for statement in _FOUND[:-1]:
        server.script(
            name,
            statement.format(dentists=rows // PER_DENTIST, patients=rows // PER_PATIENT),
        )
    for first in range(0, rows, AT_ONCE):
        some = _FOUND[-1].format(
            first=first,
            last=min(first + AT_ONCE, rows),
            dentists=rows // PER_DENTIST,
            patients=rows // PER_PATIENT,
        )
        server.script(name, _UNCHECKED, some)
    server.script(name, "ANALYZE")
    return name


async def timed(store: Store, reading: Reading) -> tuple[float, int]:
    """Median milliseconds of a list, and how many rows it has."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        page = await store.appointments.page(reading.principal, reading.query)
        took.append((time.perf_counter() - began) * 1_000)
    return statistics.median(took), len(page.rows)


async def statements(store: Store, reading: Reading) -> list[tuple[str, Sequence[Any]]]:
    """What the hub says to the server for this list."""
    said: list[tuple[str, Sequence[Any]]] = []
    engine = store._readers._callers.sync_engine

    def listen(_c: Any, _cursor: Any, statement: str, parameters: Any, *_further: Any) -> None:
        said.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", listen)
    await store.appointments.page(reading.principal, reading.query)
    event.remove(engine, "before_cursor_execute", listen)
    return [each for each in said if "FROM appointments" in each[0]]


async def explain(url: str, reading: Reading, statement: str, params: Sequence[Any]) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            claims = json.dumps(reading_claims(reading.principal, NOTHING_ASKED))
            await connection.execute("SET LOCAL ROLE hub_reader")
            await connection.execute("SELECT set_config('request.jwt.claims', $1, true)", claims)
            rows = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS off) {statement}", *params)
            lines = [row[0].split(" (never executed)")[0] for row in rows]
            return [line for line in lines if _TELLING.search(line)]
    finally:
        await connection.close()


async def measure(server: PostgresServer, rows: int, *, plans: bool) -> None:
    name = founded(server, rows)
    async with open_store(
        server.url(name), render=render, outbox=Postbox(), new_id=new_id, clock=SystemClock()
    ) as store:
        for reading in READINGS:
            took_ms, found = await timed(store, reading)
            print(f"{rows:>9,} rows  {reading.name:<18} {found:>4} shown  {took_ms:7.2f} ms")
        for reading in READINGS if plans else ():
            for statement, params in await statements(store, reading):
                print(f"\n{reading.name}: {statement.split(' FROM ')[0][:60]} …")
                for line in await explain(server.url(name), reading, statement, params):
                    print(f"    {line}")
    server.drop(name)


def main() -> None:
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    sizes = [int(each) for each in sys.argv[1:]] or SIZES
    server = postgres_server()
    for size in sizes:
        asyncio.run(measure(server, size, plans=size == sizes[-1]))


if __name__ == "__main__":
    main()
