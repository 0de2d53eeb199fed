"""Through a transaction pooler nothing relies on a session: through our own, and PgBouncer."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from actors.domain.ids import ProfileId
from actors.domain.principal import Principal, Role
from tests.contract.clinic import DAY, Clinic, booked, patient
from tests.contract.engines import PostgresDatabase
from tests.contract.test_postgres_writers import beside, opened
from tests.contract.test_reads import DEFAULT
from tests.support.pgbouncer import MISSING, pgbouncer, pgbouncer_to
from tests.support.pooler import pooler_to
from tests.support.process import ROOT
from tests.support.tls import Authority

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

needs_pgbouncer = pytest.mark.skipif(pgbouncer() is None, reason=MISSING)
Pooled = Callable[[int], AbstractAsyncContextManager[str]]
"""The URL that leads to the database through a pooler with so many connections."""


@pytest.fixture(params=["our own", pytest.param("pgbouncer", marks=needs_pgbouncer)])
def pooled(request: pytest.FixtureRequest, database: PostgresDatabase) -> Pooled:
    @asynccontextmanager
    async def by_pgbouncer(servers: int) -> AsyncIterator[str]:
        with pgbouncer_to(database.url, servers=servers) as url:
            yield url

    @asynccontextmanager
    async def by_our_own(servers: int) -> AsyncIterator[str]:
        async with pooler_to(database.url, servers=servers) as pooler:
            yield pooler.url
            assert pooler.transactions, "it went through"

    return by_pgbouncer if request.param == "pgbouncer" else by_our_own


async def test_three_connections_of_the_server_serve_a_hub_with_twelve(
    clinic: Clinic, pooled: Pooled
) -> None:
    async with pooled(3) as url:
        await _serve_many(clinic, url)


async def _serve_many(clinic: Clinic, url: str) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(6)]
    people = [await clinic.add_patient(f"Pat {n}") for n in range(6)]
    async with opened(url, clinic, prepared_statements=False) as store:
        other = beside(clinic, store)
        loaded = [await other.open(one) for one in dentists]
        for day in range(1, 6):
            rows = [
                clinic.row(one, pat, clinic.clock.now() + day * DAY)
                for one, pat in zip(dentists, people, strict=True)
            ]
            await asyncio.gather(
                *(
                    other.commit(a, other.turn(booked(r)))
                    for a, r in zip(loaded, rows, strict=True)
                ),
                *(store.appointments.page(patient(pat), DEFAULT) for pat in people),
            )
        pages = await asyncio.gather(
            *(store.appointments.page(patient(pat), DEFAULT) for pat in people)
        )
        assert [page.total for page in pages] == [5] * 6
        empty = await store.appointments.page(
            Principal(role=Role.PATIENT, subject="?", person=ProfileId("?")), DEFAULT
        )
        assert empty.total == 0


_HUB = """
import asyncio, sys
from hub.clock import SystemClock, new_id
from store.engine import open_store
from store.settings import DatabaseSettings
from tests.contract.clinic import ADMIN, Postbox, render

async def main():
    async with open_store(
        DatabaseSettings(url=sys.argv[1], prepared_statements=False),
        render=render, publisher=Postbox(), new_id=new_id, clock=SystemClock(),
    ) as store:
        print((await store.profiles.dentists(ADMIN, limit=5, after=None)).total)

asyncio.run(main())
"""


async def test_hubs_come_and_go_and_leave_nothing_prepared(clinic: Clinic, pooled: Pooled) -> None:
    """Processes give their statements the same names: one that was left behind on the server's only
    connection would make the next hub fail, already when it looks at the schema."""
    await clinic.add_dentist()
    async with pooled(1) as url:
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _HUB, url), cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await process.communicate()
            assert (process.returncode, output.split()) == (0, [b"1"])


@needs_pgbouncer
async def test_pgbouncer_is_reached_over_tls(
    clinic: Clinic, database: PostgresDatabase, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "authority")
    identity = authority.signed("pooler", "127.0.0.1")
    options = f"sslmode=verify-full&sslrootcert={authority.certificate}"
    with pgbouncer_to(database.url, tls=identity) as url:
        async with opened(f"{url}?{options}", clinic, prepared_statements=False) as store:
            await store.ping()
