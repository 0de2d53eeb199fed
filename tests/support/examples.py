"""Runs the examples of README.md and of the guides in docs/."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.commandline import ROOT, environment

RUN_S = 60
LINE_S = 20


def example(page: str, label: str) -> str:
    """The code under ``<!-- run: LABEL -->`` of a page, such as ``docs/live.md``."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- run: {re.escape(label)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no block {label}"
    return found[1]


@asynccontextmanager
async def program(
    folder: Path,
    *argv: str,
    stdin: int | None = None,
    stderr: int = asyncio.subprocess.DEVNULL,
    **variables: str,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in the folder, which the block's end kills."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env=environment(**variables),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def output_of(folder: Path, *argv: str, **variables: str) -> str:
    """The output of a program that must succeed without error messages."""
    pipe = asyncio.subprocess.PIPE
    async with (
        program(folder, *argv, stdin=None, stderr=pipe, **variables) as process,
        asyncio.timeout(RUN_S),
    ):
        out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, ""), err.decode()
    return out.decode()


async def shell_output_of(folder: Path, script: str, **variables: str) -> str:
    """The output of a shell script; see :func:`output_of`."""
    return await output_of(folder, "bash", "-euo", "pipefail", "-c", script, **variables)


async def line_of(process: asyncio.subprocess.Process, beginning: str) -> str:
    """The next line of the program's output with this beginning."""
    assert process.stdout is not None
    async with asyncio.timeout(LINE_S):
        while line := (await process.stdout.readline()).decode():
            if line.startswith(beginning):
                return line
    raise AssertionError(f"the program ended without {beginning}")
