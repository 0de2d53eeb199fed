"""A running hub for every test, on a copy of a clinic that is created once."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.clinic import Clinic
from tests.support.database import ENGINES, rows
from tests.support.logs import Logs, captured_logs
from tests.support.running import Template, clinic_on, make_template

STATE = (
    "appointments",
    "profiles",
    "calendars",
    "appointment_types",
    "event_channels",
    "audit_log",
)
"""Tables that only an accepted command changes."""

OpenClinic = Callable[..., AbstractAsyncContextManager[Clinic]]


@pytest.fixture(scope="session", params=ENGINES)
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A clinic on each engine: a test that uses it runs once for each."""
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"), request.param)


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """Everything the hub logs in this test."""
    with captured_logs() as lines:
        yield lines


@pytest.fixture
async def clinic(template: Template, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with clinic_on(template, tmp_path) as running:
        yield running


@pytest.fixture
async def nothing_changes(clinic: Clinic) -> AsyncIterator[None]:
    """Asserts that a test's bad input changes no row, and that the hub still works."""
    await clinic.book(clinic.patients[0], "09:00")
    before = _state(clinic)
    yield
    assert _state(clinic) == before, "bad input changes nothing"
    dashboard = await clinic.screen(clinic.dentists[0])
    booked = await clinic.book(clinic.patients[1], "16:00")
    await dashboard.event("appointment.created", 1.0, id=booked["id"])


def _state(clinic: Clinic) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(clinic.database, f"SELECT * FROM {table}") for table in STATE}  # noqa: S608  # our own names


@pytest.fixture
def open_clinic(template: Template, tmp_path: Path) -> OpenClinic:
    """A clinic with other settings (``reservations=…``) or substitutes (``overrides=…``)."""
    return partial(clinic_on, template, tmp_path)
