"""Runs the examples of docs/webhooks.md and docs/live.md against a demo clinic."""

import asyncio
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.support.commandline import ROOT, command
from tests.support.eventually import eventually
from tests.support.examples import example, output_of, program, shell_output_of
from tests.support.ports import free_port

ALLOWED = {
    "CHAIRSIDE_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
    "CHAIRSIDE_WEBHOOKS_ALLOW_HTTP": "true",
}


async def test_the_receiver_of_the_guide_receives_its_booking(tmp_path: Path) -> None:
    code = example("docs/webhooks.md", "receiver.py")
    (tmp_path / "receiver.py").write_text(code, encoding="utf-8")
    port = str(free_port())
    async with (
        command(tmp_path, "demo", **ALLOWED),
        program(tmp_path, sys.executable, "receiver.py", PORT=port) as receiver,
    ):
        assert await eventually(lambda: _answers(port), 10.0)
        output = await shell_output_of(tmp_path, example("docs/webhooks.md", "sh"), PORT=port)
        assert '{"delivered":true,"response_status":204' in output
        assert '"type":"appointment.created","delivered":true,"attempts":1' in output
        assert receiver.stdout is not None
        async with asyncio.timeout(10):
            lines = [(await receiver.stdout.readline()).decode() for _ in range(2)]
    assert lines[0].split() == ["webhook.ping", "-"]
    assert re.fullmatch(r"appointment\.created \d+\.\d+ \d{4}-.*Z\n", lines[1])


async def _answers(port: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/hook/x", data=b"{}") as answer,
        ):
            return answer.status == 404
    except aiohttp.ClientConnectionError:
        return False


async def test_the_cache_of_the_guide_answers_from_memory(tmp_path: Path) -> None:
    (tmp_path / "free.py").write_text(example("docs/live.md", "free.py"), encoding="utf-8")
    async with command(tmp_path, "demo"):
        output = await output_of(tmp_path, sys.executable, "free.py")
    lines = output.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("from memory: True age: ")
    assert int(lines[-2].split()[0]) > 100


@pytest.mark.parametrize("page", ["webhooks.md", "live.md"])
def test_links_of_the_guides_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (ROOT / "docs" / name).exists()
