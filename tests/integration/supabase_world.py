"""A clinic for tests of the Supabase gateway: founded once, copied for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.support.clinic import Clinic
from tests.support.logs import Logs, captured_logs
from tests.support.running import Template, clinic_on, make_template

OpenClinic = Callable[..., AbstractAsyncContextManager[Clinic]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    with captured_logs() as lines:
        yield lines


@pytest.fixture
async def clinic(template: Template, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with clinic_on(template, tmp_path) as running:
        yield running


@pytest.fixture
def open_clinic(template: Template, tmp_path: Path) -> OpenClinic:
    """A clinic with other settings."""
    return partial(clinic_on, template, tmp_path)
