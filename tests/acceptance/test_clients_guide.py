"""Runs the examples of docs/clients.md against a demo clinic."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.acceptance.test_readme import line_of
from tests.support.commandline import ROOT, command, environment
from tests.support.node import FOLDER
from tools.node import install

GUIDE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


@asynccontextmanager
async def running(folder: Path, label: str, program: str) -> AsyncIterator[asyncio.StreamReader]:
    """What the example under ``<!-- run: LABEL -->`` prints."""
    found = re.search(rf"<!-- run: {re.escape(label)} -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"the guide has no block {label}"
    (folder / label).write_text(found[1], encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(program, label),
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_examples_watch_and_book(tmp_path: Path) -> None:
    node = install(FOLDER)
    (tmp_path / "node_modules").symlink_to(FOLDER / "node_modules")
    async with (
        command(tmp_path, "demo"),
        running(tmp_path, "watch.py", sys.executable) as python,
        running(tmp_path, "watch.mjs", str(node.node)) as javascript,
    ):
        assert re.match(r"\d+ appointments", await line_of(python, ""))
        assert "appointments:dentist:" in await line_of(javascript, "fetch again")
        async with running(tmp_path, "book.py", sys.executable) as patient:
            booked = (await line_of(patient, "booked ")).split()[1]
        shown = f"appointment.created {booked} confirmed\n"
        assert await line_of(python, "appointment.created") == shown
        assert await line_of(javascript, "appointment.created") == shown
