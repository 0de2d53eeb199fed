"""One Chromium for all tests of this folder; each has its own clinic, and its own windows."""

import inspect
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.windows import Windows
from tests.support.clinic import Clinic
from tests.support.logs import Logs, captured_logs
from tests.support.running import Template, clinic_on, make_template
from tools.chromium import REQUIRED, launched, missing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser lives as long as the session, so its tests share the session's loop."""
    for item in items:
        is_async = inspect.iscoroutinefunction(getattr(item, "function", None))
        if HERE in item.path.parents and is_async:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def chromium() -> None:
    why_not = missing()
    if why_not is None:
        return
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(why_not)
    pytest.skip(why_not)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: None) -> AsyncIterator[Browser]:
    async with launched() as running:
        yield running


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    with captured_logs() as lines:
        yield lines


@pytest_asyncio.fixture(loop_scope="session")
async def clinic(template: Template, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with clinic_on(template, tmp_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def windows(browser: Browser) -> AsyncIterator[Windows]:
    """Opens pages; afterwards none of them may have broken a rule of its own policy."""
    async with AsyncExitStack() as stack:
        opened = Windows(browser, stack)
        yield opened
        await opened.check()
