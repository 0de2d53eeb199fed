"""Three nodes of one hub for tests of what crosses them: founded once, copied for each test."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.cluster import ClusterNode, nodes
from tests.support.logs import Logs, captured_logs
from tests.support.running import Template, make_template
from tests.support.valkey import ValkeyServer, valkey_server


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """Stack traces of an outage, drawn for a terminal, take seconds each."""
    with captured_logs() as lines:
        yield lines


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"), "postgres")


@pytest.fixture(scope="module")
def valkey() -> ValkeyServer:
    return valkey_server()


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """One to be killed."""
    server = ValkeyServer()
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
async def three(
    template: Template, valkey: ValkeyServer, tmp_path: Path
) -> AsyncIterator[Sequence[ClusterNode]]:
    async with nodes(template, tmp_path, valkey) as made:
        yield made
