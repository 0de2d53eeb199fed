"""Official suites and linters of others, as their authors publish them; installed with npm.

They live in ``tests/node/suites``, which only ``make test-long`` installs.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from api.openapi import openapi_json
from tests.support.clinic import Clinic
from tests.support.mcp_http import serving_http
from tests.support.node import FOLDER
from tests.support.token_proxy import adding_token
from tests.support.tokens import token
from tools.node import install

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SUITES = FOLDER / "suites"
OLDEST_NODE = (22, 12)
"""What the MCP suite needs: ``fs.globSync``."""

NEEDS_FIXTURES: Final[Mapping[str, str]] = {
    "completion-complete": "a prompt of the suite, and completions",
    "elicitation-sep1034-defaults": "a tool of the suite",
    "elicitation-sep1330-enums": "a tool of the suite",
    "json-schema-2020-12": "a tool of the suite",
    "logging-set-level": "log messages to the client, which no tool sends",
    "prompts-get-embedded-resource": "a prompt of the suite",
    "prompts-get-simple": "a prompt of the suite",
    "prompts-get-with-args": "a prompt of the suite",
    "prompts-get-with-image": "a prompt of the suite",
    "resources-read-binary": "a resource of the suite",
    "resources-read-text": "a resource of the suite",
    "resources-subscribe": "a resource of the suite, and subscriptions",
    "resources-templates-read": "a resource of the suite",
    "resources-unsubscribe": "a resource of the suite, and subscriptions",
    "tools-call-audio": "a tool of the suite",
    "tools-call-elicitation": "a tool of the suite",
    "tools-call-embedded-resource": "a tool of the suite",
    "tools-call-error": "a tool of the suite",
    "tools-call-image": "a tool of the suite",
    "tools-call-mixed-content": "a tool of the suite",
    "tools-call-sampling": "a tool of the suite",
    "tools-call-simple-text": "a tool of the suite",
    "tools-call-with-logging": "a tool of the suite",
    "tools-call-with-progress": "a tool of the suite",
}
"""Scenarios of the MCP suite that call what its own example server has, with the reason.

Only what exists is advertised, so the server has no prompts, resources or log messages to offer.
"""
SCENARIOS_MIN = 32


async def _run(*command: str) -> str:
    """The output of a program of the suites, whatever its exit code."""
    node = await asyncio.to_thread(install, SUITES, OLDEST_NODE)
    process = await asyncio.create_subprocess_exec(
        *(str(node.node), str(SUITES / "node_modules" / command[0]), *command[1:]),
        cwd=SUITES,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**node.environment(), "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"},
        limit=2**24,
    )
    output, errors = await process.communicate()
    assert output, errors.decode()
    return output.decode()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_bytes(openapi_json())
    return file


@pytest.fixture
def wrong_document(document: Path) -> Path:
    wrong = json.loads(document.read_bytes())
    del wrong["servers"]
    wrong["paths"]["/api/appointments"]["get"]["tags"] = ["Nowhere"]
    document.write_text(json.dumps(wrong))
    return document


async def test_redocly_finds_nothing_in_the_api_document(document: Path) -> None:
    output = await _run("@redocly/cli/bin/cli.js", "lint", str(document), "--format=json")
    report = json.loads(output[output.index("{") :])
    assert report["problems"] == []


async def test_spectral_finds_nothing_in_the_api_document(document: Path) -> None:
    output = await _run(
        "@stoplight/spectral-cli/dist/index.js",
        *("lint", str(document), "--ruleset", "spectral.yaml", "--format", "json"),
    )
    assert json.loads(output[: output.rindex("]") + 1]) == []


@pytest.mark.parametrize("template", ["sqlite"], indirect=True)
async def test_mcp_conformance(clinic: Clinic) -> None:
    """Every scenario passes, except those that need what only the suite's own server has."""
    patient = token("patient", "patient-0", act={"sub": "conformance"})
    async with serving_http(clinic.url) as url, adding_token(url, patient) as open_url:
        output = await _run(
            "@modelcontextprotocol/conformance/dist/index.js",
            *("server", "--url", open_url, "--suite", "all"),
        )
    results = dict(re.findall(r"^[✓✗] ([\w-]+): \d+ passed, (\d+) failed", output, re.MULTILINE))
    assert len(results) >= SCENARIOS_MIN, output
    failed = {name for name, failures in results.items() if failures != "0"}
    assert failed == NEEDS_FIXTURES.keys(), output


async def test_the_linters_would_find_a_mistake(wrong_document: Path) -> None:
    output = await _run("@redocly/cli/bin/cli.js", "lint", str(wrong_document), "--format=json")
    assert json.loads(output[output.index("{") :])["totals"]["errors"] > 0
    output = await _run(
        "@stoplight/spectral-cli/dist/index.js",
        *("lint", str(wrong_document), "--ruleset", "spectral.yaml", "--format", "json"),
    )
    assert "operation-tag-defined" in output
