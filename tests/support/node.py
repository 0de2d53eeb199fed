"""Runs the programs of ``tests/node``: official clients, driven over their stdio."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tools.node import install

FOLDER = Path(__file__).parents[1] / "node"


class Program:
    """A running program that reads and writes lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, message: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        await self._process.stdin.drain()

    def no_more(self) -> None:
        """Close its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def lines(self) -> AsyncIterator[Any]:
        """The lines that it writes, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield json.loads(line)

    async def answer(self) -> Any:
        """The next line that it writes; raises AssertionError when it has ended."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the program has ended"
        return json.loads(line)

    async def ended(self) -> int:
        return await self._process.wait()


@contextlib.asynccontextmanager
async def program(script: str) -> AsyncIterator[Program]:
    """Run a script of ``tests/node``; missing packages are installed first."""
    node = await asyncio.to_thread(install, FOLDER)
    process = await asyncio.create_subprocess_exec(
        *(node.node, FOLDER / script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
        env=node.environment(),
    )
    try:
        yield Program(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
