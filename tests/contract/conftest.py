"""Every test here runs on every engine."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from store.engine import Store, open_store
from tests.contract.clinic import Clinic, Postbox, render
from tests.contract.engines import (
    ENGINES,
    Database,
    fresh_database,
    postgres_template,
    sqlite_template,
)
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@pytest.fixture(scope="session")
def template(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path | str:
    if engine == "postgres":
        return postgres_template()
    return sqlite_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def database(template: Path | str, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(template, tmp_path) as database:
        yield database


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log of the store."""
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
        database.settings, render=render, publisher=postbox, new_id=new_id, clock=clock
    ) as store:
        yield store


@pytest.fixture
async def clinic(store: Store, clock: FakeClock, new_id: SerialIds, postbox: Postbox) -> Clinic:
    clinic = Clinic(store, clock, new_id, postbox)
    await clinic.found()
    postbox.batches.clear()
    return clinic
