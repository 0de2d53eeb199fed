"""How long a search of patients takes at 100,000 patients, on both engines.

Prints the median and the 99th percentile of each search: of a front desk with all patients, of a
dentist with 3,300 own ones, and of a desk with 13 patients in the same database. Arguments: a
number of patients, ``sqlite`` or ``postgres`` for one engine, ``--plans`` for the query plans.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from actors.domain.principal import Principal
from hub.clock import SystemClock, new_id
from hub.server import tune_garbage_collection
from store.engine import Store, open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.contract.clinic import Postbox, render
from tests.support.database import ENGINES
from tests.support.large_clinic import Reading, plans
from tests.support.many_patients import DENTIST, DESK, SEARCHES, SMALL_DESK, ManyPatients
from tests.support.postgres import ADMIN, postgres_server

PATIENTS = 100_000
ROUNDS = 100
PAGE = 50
BEFORE_WORDS = "0020"
"""The migration that follows is measured, too."""


@contextmanager
def filled(engine: str, size: ManyPatients) -> Iterator[str]:
    """The address of a database with the patients."""
    with tempfile.TemporaryDirectory() as folder:
        url = owner = f"sqlite:///{Path(folder) / 'clinic.db'}"
        if engine == "postgres":
            server = postgres_server()
            name = server.create()
            url, owner = server.url(name), server.url(name, ADMIN)
        upgrade(url, migrate_url=owner, to=BEFORE_WORDS)
        size.fill(owner)
        began = time.perf_counter()
        upgrade(url, migrate_url=owner)
        print(f"{engine}: migrated in {time.perf_counter() - began:.1f} s")
        if engine == "postgres":
            server.run(name, "VACUUM (ANALYZE)")
        yield url
        if engine == "postgres":
            server.drop(name)


async def timed(store: Store, by: Principal, text: str) -> tuple[list[float], int]:
    """Milliseconds of each search, and how many were found."""
    took, found = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        page = await store.profiles.search(by, text, limit=PAGE, after=None, region="DE")
        took.append((time.perf_counter() - began) * 1_000)
        found = page.total
    return took, found


async def measure(engine: str, url: str, *, explained: bool) -> None:
    tune_garbage_collection()  # as in a hub
    async with open_store(
        DatabaseSettings(url=url),
        render=render,
        publisher=Postbox(),
        new_id=new_id,
        clock=SystemClock(),
    ) as store:
        for who, by in (("desk", DESK), ("dentist", DENTIST), ("small desk", SMALL_DESK)):
            for name, text in SEARCHES.items():
                took, found = await timed(store, by, text)
                p99 = statistics.quantiles(took, n=100)[-1]
                print(
                    f"{engine:<9}{who:<11}{name:<28}{found:>6} found"
                    f"{statistics.median(took):8.2f} ms{p99:8.2f} ms p99"
                )
                if explained:
                    await show_plans(store, by, text)


async def show_plans(store: Store, by: Principal, text: str) -> None:
    reading = Reading(
        name=text, read=lambda s: s.profiles.search(by, text, limit=PAGE, after=None, region="DE")
    )
    for sql, lines in await plans(store, reading, "ANALYZE, COSTS off, TIMING off"):
        print(f"  {' '.join(sql.split())[:120]} …")
        print("\n".join(f"      {line}" for line in lines))


def main() -> None:
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    size = ManyPatients(patients=numbers[0] if numbers else PATIENTS)
    for engine in [each for each in ENGINES if each in sys.argv[1:]] or ENGINES:
        with filled(engine, size) as url:
            asyncio.run(measure(engine, url, explained="--plans" in sys.argv))


if __name__ == "__main__":
    main()
