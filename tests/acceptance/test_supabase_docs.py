"""Runs the examples of docs/supabase.md against a running hub."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.realtime.rooms.settings import RealtimeSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic
from tests.support.examples import example
from tests.support.supabase_clients import NODE_FOLDER
from tools.node import install

GUIDE = "docs/supabase.md"
KEY = "front-ends-of-the-clinic"
FRONT_ENDS = ("front-end.mjs", "table.mjs")


def test_a_front_end_needs_five_lines() -> None:
    """The import is not counted, because front ends for Supabase have it already."""
    for name in FRONT_ENDS:
        _, *lines = [line for line in example(GUIDE, name).splitlines() if line.strip()]
        assert len(lines) == 5


@pytest.mark.parametrize("name", FRONT_ENDS)
async def test_a_front_end_of_the_guide_shows_a_booking(open_clinic: OpenClinic, name: str) -> None:
    node, script = install(NODE_FOLDER), NODE_FOLDER / f"snippet-{os.getpid()}-{name}"
    script.write_text(example(GUIDE, name), encoding="utf-8")  # beside node_modules
    command = [str(node.node), "--import", "./browser.mjs", str(script)]
    try:
        async with (
            open_clinic(realtime=RealtimeSettings(supabase_keys=(KEY,))) as clinic,
            _running(command, clinic, NODE_FOLDER) as output,
        ):
            assert (await output.readline()).split() == [b"SUBSCRIBED"]
            booked = await clinic.book(clinic.patients[0])
            assert json.loads(await output.readline()) == booked
    finally:
        script.unlink()


async def test_the_python_of_the_guide_prints_a_booking(clinic: Clinic, tmp_path: Path) -> None:
    (tmp_path / "listen.py").write_text(example(GUIDE, "listen.py"), encoding="utf-8")
    async with _running([sys.executable, "listen.py"], clinic, tmp_path) as output:
        assert (await output.readline()).split() == [b"SUBSCRIBED"]
        booked = await clinic.book(clinic.patients[0])
        assert (await output.readline()).decode().strip() == booked["id"]


@asynccontextmanager
async def _running(
    command: list[str], clinic: Clinic, folder: Path
) -> AsyncIterator[asyncio.StreamReader]:
    dentist = clinic.dentists[0]
    variables = {"HUB": clinic.url, "KEY": KEY, "TOKEN": dentist.token, "DENTIST": dentist.id}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(15):
            yield process.stdout
    finally:
        process.kill()
        await process.wait()
