"""A database that answers too late: 503 with Retry-After, within bounds, and well again after."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from store.settings import DatabaseSettings
from tests.support.api import Answer
from tests.support.clinic import Clinic
from tests.support.database import OnPostgres, url_of
from tests.support.running import Template, config_for, make_template, running_hub

PATIENCE_MS = 400


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"), "postgres")


@contextmanager
def nobody_reads(clinic: Clinic) -> Iterator[None]:
    """An administrator rewrites the table: every statement on it waits."""
    assert isinstance(clinic.database, OnPostgres)
    with clinic.database.server.transaction(clinic.database.name) as say:
        say("LOCK TABLE appointments IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def impatient(template: Template, folder: Path, *, readers: int) -> AsyncIterator[Clinic]:
    """A hub with so many connections for reading, that waits for no statement long."""
    with template.copied_to(folder) as database:
        section = DatabaseSettings(
            url=url_of(database),
            readers=readers,
            statement_timeout_ms=PATIENCE_MS,
            lock_timeout_ms=PATIENCE_MS,
        )
        async with (
            running_hub(replace(config_for(database), database=section)) as running,
            aiohttp.ClientSession() as session,
            AsyncExitStack() as opened,
        ):
            yield Clinic(running.url, template.people, session, opened, database)


def _says_come_back(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "UNAVAILABLE"), answer.body
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_statement_that_takes_too_long_is_ended(template: Template, tmp_path: Path) -> None:
    async with impatient(template, tmp_path, readers=4) as clinic:
        pat = clinic.patients[0]
        await clinic.book(pat)
        with nobody_reads(clinic):
            _says_come_back(await clinic.api(pat).get("/api/appointments"))
            _says_come_back(await clinic.api(pat).post("/api/appointments", clinic.slot("10:00")))
        assert (await clinic.api(pat).get("/api/appointments")).status == 200
        await clinic.book(pat, "10:00")


async def test_who_finds_every_reading_connection_busy_is_asked_to_come_back(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.postgres.connect._POOL_WAIT_S", PATIENCE_MS / 2_000)
    async with impatient(template, tmp_path, readers=1) as clinic:
        api = clinic.api(clinic.patients[0])
        assert (await api.get("/api/appointments")).status == 200
        with nobody_reads(clinic):
            for answer in await asyncio.gather(*(api.get("/api/appointments") for _ in range(6))):
                _says_come_back(answer)
            live = await clinic.api(None).get("/health/live")
            assert live.status == 200
        assert (await api.get("/api/appointments")).status == 200
