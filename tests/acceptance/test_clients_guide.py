"""Runs the examples of docs/clients.md against a demo clinic."""

import asyncio
import re
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.support.commandline import command
from tests.support.examples import example, line_of, program
from tests.support.node import FOLDER
from tools.node import install


def running(
    folder: Path, label: str, interpreter: str
) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """The example of the guide with this label."""
    (folder / label).write_text(example("docs/clients.md", label), encoding="utf-8")
    return program(folder, interpreter, label)


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
