"""A database that responds too late: 503 with Retry-After, and recovery afterwards."""

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

TIMEOUT_MS = 400


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"), "postgres")


@contextmanager
def appointments_locked(clinic: Clinic) -> Iterator[None]:
    """Lock the table as its rewriting does: every statement on it waits."""
    assert isinstance(clinic.database, OnPostgres)
    with clinic.database.server.transaction(clinic.database.name) as execute:
        execute("LOCK TABLE appointments IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def hub_with_short_timeouts(
    template: Template, folder: Path, *, readers: int
) -> AsyncIterator[Clinic]:
    """A hub with short timeouts, and ``readers`` connections for reading."""
    with template.copied_to(folder) as database:
        section = DatabaseSettings(
            url=url_of(database),
            readers=readers,
            statement_timeout_ms=TIMEOUT_MS,
            lock_timeout_ms=TIMEOUT_MS,
        )
        async with (
            running_hub(replace(config_for(database), database=section)) as running,
            aiohttp.ClientSession() as session,
            AsyncExitStack() as opened,
        ):
            yield Clinic(running.url, template.people, session, opened, database)


def _is_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "UNAVAILABLE"), answer.body
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_statement_that_takes_too_long_is_cancelled(
    template: Template, tmp_path: Path
) -> None:
    async with hub_with_short_timeouts(template, tmp_path, readers=4) as clinic:
        patient = clinic.patients[0]
        await clinic.book(patient)
        with appointments_locked(clinic):
            _is_unavailable(await clinic.api(patient).get("/api/appointments"))
            _is_unavailable(
                await clinic.api(patient).post("/api/appointments", clinic.slot("10:00"))
            )
        assert (await clinic.api(patient).get("/api/appointments")).status == 200
        await clinic.book(patient, "10:00")


async def test_requests_get_503_while_all_reading_connections_are_busy(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.postgres.connect._POOL_WAIT_S", TIMEOUT_MS / 2_000)
    async with hub_with_short_timeouts(template, tmp_path, readers=1) as clinic:
        api = clinic.api(clinic.patients[0])
        assert (await api.get("/api/appointments")).status == 200
        with appointments_locked(clinic):
            for answer in await asyncio.gather(*(api.get("/api/appointments") for _ in range(6))):
                _is_unavailable(answer)
            live = await clinic.api(None).get("/health/live")
            assert live.status == 200
        assert (await api.get("/api/appointments")).status == 200
