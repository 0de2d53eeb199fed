"""Runs the examples of docs/webhooks.md and docs/live.md against a demo clinic."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.commandline import ROOT, command, environment
from tests.support.eventually import eventually
from tests.support.ports import free_port

ALLOWED = {
    "CHAIRSIDE_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
    "CHAIRSIDE_WEBHOOKS_ALLOW_HTTP": "true",
}


def block(page: str, label: str) -> str:
    """The code under ``<!-- run: LABEL -->``."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- run: {re.escape(label)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no block {label}"
    return found[1]


@asynccontextmanager
async def program(
    folder: Path, *argv: str, stderr: int = asyncio.subprocess.DEVNULL, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env=environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(folder: Path, *argv: str, **variables: str) -> str:
    pipe = asyncio.subprocess.PIPE
    async with program(folder, *argv, stderr=pipe, **variables) as process, asyncio.timeout(60):
        out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, ""), err.decode()
    return out.decode()


async def test_the_receiver_of_the_guide_receives_its_booking(tmp_path: Path) -> None:
    (tmp_path / "receiver.py").write_text(block("webhooks.md", "receiver.py"), encoding="utf-8")
    port = str(free_port())
    async with (
        command(tmp_path, "demo", **ALLOWED),
        program(tmp_path, sys.executable, "receiver.py", PORT=port) as receiver,
    ):
        assert await eventually(lambda: _answers(port), 10.0)
        shell = ("bash", "-euo", "pipefail", "-c", block("webhooks.md", "sh"))
        output = await run(tmp_path, *shell, PORT=port)
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
    (tmp_path / "free.py").write_text(block("live.md", "free.py"), encoding="utf-8")
    async with command(tmp_path, "demo"):
        output = await run(tmp_path, sys.executable, "free.py")
    lines = output.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("from memory: True age: ")
    assert int(lines[-2].split()[0]) > 100


@pytest.mark.parametrize("page", ["webhooks.md", "live.md"])
def test_links_of_the_guides_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (ROOT / "docs" / name).exists()
