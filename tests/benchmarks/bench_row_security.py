"""What row-level security costs the lists, from ten thousand rows to a million, on both engines.

Prints for each size how long each list takes as the hub reads it, and at the largest size
what the database does for it. Arguments: the sizes, and ``sqlite`` or ``postgres`` for one.
"""

import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from hub.clock import SystemClock, new_id
from store.engine import Store, open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.contract.clinic import Postbox, render
from tests.support.database import ENGINES, Database, OnPostgres, url_of
from tests.support.large_clinic import READINGS, LargeClinic, Reading, plans
from tests.support.postgres import ADMIN, postgres_server

SIZES = (10_000, 100_000, 1_000_000)
PER_DENTIST = 5_000
ROUNDS = 15
_EXPLAINED = "ANALYZE, BUFFERS, COSTS off, TIMING off"
_PLAN_LINES = re.compile("Scan|SEARCH|SCAN|Cond|Join|Nested|Sort|Limit|Aggregate|Buffers|Time:")
_EVERYWHERE = re.compile("SCAN CONSTANT ROW|InitPlan [0-9]+$|never executed")


@contextmanager
def migrated(engine: str) -> Iterator[Database]:
    if engine == "postgres":
        server = postgres_server()
        name = server.create()
        upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
        yield OnPostgres(server=server, name=name)
        server.drop(name)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clinic.db"
        upgrade(url_of(file))
        yield file


async def timed(store: Store, reading: Reading) -> tuple[float, int]:
    """Median milliseconds of a list, and how many rows it has."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = await reading.read(store)
        took.append((time.perf_counter() - began) * 1_000)
    return statistics.median(took), reading.found(answer)


async def show_plans(store: Store, reading: Reading) -> None:
    print(f"\n{reading.name}")
    for sql, lines in await plans(store, reading, _EXPLAINED):
        print(f"  {' '.join(sql.split())[:90]} …")
        for line in lines:
            if _PLAN_LINES.search(line) and not _EVERYWHERE.search(line):
                print(f"      {line}")


async def measure(engine: str, database: Database, rows: int, *, explained: bool) -> None:
    async with open_store(
        DatabaseSettings(url=url_of(database)),
        render=render,
        publisher=Postbox(),
        new_id=new_id,
        clock=SystemClock(),
    ) as store:
        for reading in READINGS:
            took_ms, found = await timed(store, reading)
            print(
                f"{engine:<9}{rows:>9,} rows  {reading.name:<24}{found:>4} shown{took_ms:9.2f} ms"
            )
        for reading in READINGS if explained else ():
            await show_plans(store, reading)


def main() -> None:
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    sizes = [int(each) for each in sys.argv[1:] if each.isdigit()] or SIZES
    for engine in [each for each in ENGINES if each in sys.argv[1:]] or ENGINES:
        for rows in sizes:
            with migrated(engine) as database:
                LargeClinic(rows=rows, per_dentist=PER_DENTIST).fill(database)
                asyncio.run(measure(engine, database, rows, explained=rows == sizes[-1]))


if __name__ == "__main__":
    main()
