"""The ``chairside`` command in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_STARTS_WITHIN_S = 30
_STOPS_WITHIN_S = 20


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without any ``CHAIRSIDE_*``, plus ``variables``."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("CHAIRSIDE_")}
    return clean | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | variables


@dataclass(frozen=True, kw_only=True)
class Process:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    """The JSON that the command printed when it was ready for requests."""

    @property
    def url(self) -> str:
        url: str = self.ready["url"]
        return url

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal (SIGTERM) and wait; returns the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(_STOPS_WITHIN_S):
            return await self.process.wait()


async def started(
    folder: Path, *argv: str, open_files: str | None = None, **variables: str
) -> asyncio.subprocess.Process:
    """``chairside ARGV`` in ``folder``; its log is ``folder/log``."""
    limited = ("sh", "-c", f'ulimit -n {open_files}; exec "$@"', "sh") if open_files else ()
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *limited,
            sys.executable,
            "-m",
            "hub.cli",
            *argv,
            cwd=folder,
            env=environment(**variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )


@asynccontextmanager
async def command(
    folder: Path, *argv: str, open_files: str | None = None, **variables: str
) -> AsyncIterator[Process]:
    """``serve`` or ``demo`` until the block ends, on a free port unless ARGV has one.

    ``open_files``: the limit that the system sets to the process.
    """
    sent = (argv[0], "--json", "--port", "0", *argv[1:])
    process = await started(folder, *sent, open_files=open_files, **variables)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_STARTS_WITHIN_S):
            output = await process.stdout.readuntil(b"}\n")
        yield Process(process=process, ready=json.loads(output))
    except asyncio.IncompleteReadError:
        log = (folder / "log").read_text()
        raise AssertionError(f"`chairside {argv[0]}` ended before it served:\n{log}") from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
