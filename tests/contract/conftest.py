"""Every test here runs on every engine."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from store.engine import Store, open_store
from tests.contract.clinic import Clinic, Postbox, render
from tests.contract.engines import ENGINES, Database, SqliteDatabase, make_template
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds


@pytest.fixture(scope="session", params=ENGINES)
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine = cast("str", request.param)
    return make_template(engine, tmp_path_factory.mktemp("template"))


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Database:
    return SqliteDatabase(template, tmp_path)


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the store logs: kept for the test that asks, out of the way otherwise."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def new_id() -> SerialIds:
    return SerialIds()


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
async def store(
    database: Database, clock: FakeClock, new_id: SerialIds, postbox: Postbox
) -> AsyncIterator[Store]:
    async with open_store(
        database.url,
        render=render,
        outbox=postbox,
        new_id=new_id,
        clock=clock,
        busy_timeout_ms=100,
    ) as store:
        yield store


@pytest.fixture
async def clinic(store: Store, clock: FakeClock, new_id: SerialIds, postbox: Postbox) -> Clinic:
    clinic = Clinic(store, clock, new_id, postbox)
    await clinic.found()
    postbox.batches.clear()
    return clinic
