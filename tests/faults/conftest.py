"""The same founded clinic as in the acceptance tests, and servers to be broken."""

import json
from collections.abc import Iterator

import pytest

from tests.support.logs import captured_logs
from tests.support.running import Template, make_template
from tests.support.valkey import ValkeyServer


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"), "postgres")


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """One of the test's own."""
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Stack traces of an outage, drawn for a terminal, take seconds each. A test that fails
    shows the log lines of the hubs that are not about requests."""
    with captured_logs() as logs:
        yield
    for line in logs.lines():
        if line["event"] not in ("api_request", "socket_command"):
            print(json.dumps(line))
