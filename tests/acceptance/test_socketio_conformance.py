"""Socket.IO conforms to the published protocols (criterion 7.1).

The cases are in ``tests/node/conformance``: all packet types of Engine.IO 4 and Socket.IO 5,
polling, WebSocket and the upgrade between them, namespaces, acknowledgements, binary data
and refusals. One Node process runs all cases, with the official client and hand-written
packets, against a hub in another process. Each case is one test here.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clinic import ADMIN, CHATBOT
from tests.support.node import FOLDER, program
from tests.support.process import UNLIMITED, hub_process
from tests.support.running import Template, make_template
from tests.support.tokens import SECRET

PING_INTERVAL_S, PING_TIMEOUT_S, CONNECT_TIMEOUT_S = 0.7, 1.5, 4.0
MAX_MESSAGE_BYTES = 50_000
CASES = (FOLDER / "conformance" / "cases.txt").read_text().splitlines()
"""The output of ``node tests/node/conformance/run.mjs --list``; collection needs no Node."""
MIN_CASES = 50

Results = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The result of each case, by name."""
    template = make_template(tmp_path_factory.mktemp("template"))
    return asyncio.run(run_all(template, tmp_path_factory.mktemp("hub")))


async def run_all(template: Template, folder: Path) -> Results:
    settings = {
        "CHAIRSIDE_REALTIME_PING_INTERVAL_S": str(PING_INTERVAL_S),
        "CHAIRSIDE_REALTIME_PING_TIMEOUT_S": str(PING_TIMEOUT_S),
        "CHAIRSIDE_REALTIME_CONNECT_TIMEOUT_S": str(CONNECT_TIMEOUT_S),
        "CHAIRSIDE_REALTIME_MAX_MESSAGE_BYTES": str(MAX_MESSAGE_BYTES),
        "CHAIRSIDE_API_CORS_ORIGINS": "https://clinic.example",
        **UNLIMITED,
    }
    async with (
        hub_process(template.copy_to(folder), folder, **settings) as hub,
        program("conformance/run.mjs") as node,
    ):
        await node.send(parameters_of(template, hub.url))
        node.no_more()
        found = {line["name"]: line async for line in node.lines()}
        assert await hub.stop() == 0
        return found


def parameters_of(template: Template, url: str) -> dict[str, Any]:
    """The parameters of the cases: the hub's URL and limits, and the clinic's people."""
    people = template.people
    dentist, other, *_ = people.dentists
    morning = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    return {
        "url": url,
        "secret": SECRET,
        "ping_interval_ms": PING_INTERVAL_S * 1_000,
        "ping_timeout_ms": PING_TIMEOUT_S * 1_000,
        "connect_timeout_ms": CONNECT_TIMEOUT_S * 1_000,
        "max_payload": MAX_MESSAGE_BYTES,
        "dentist": dentist.id,
        "other_dentist": other.id,
        "patient": people.patients[0].id,
        "type": people.types["check-up"],
        "first_day": (morning + timedelta(days=10)).isoformat(),
        "tokens": {
            "dentist": dentist.token,
            "patient": people.patients[0].token,
            "chatbot": CHATBOT,
            "admin": ADMIN,
        },
    }


@pytest.mark.parametrize("name", CASES)
def test_r7_1_conformance(results: Results, name: str) -> None:
    result = results.get(name)
    assert result is not None, "the case did not run"
    assert result["ok"], result["error"]


def test_r7_1_every_case_is_a_test(results: Results) -> None:
    assert sorted(results) == sorted(CASES), "rewrite cases.txt"
    assert len(CASES) >= MIN_CASES
