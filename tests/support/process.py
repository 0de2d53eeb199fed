"""``chairside serve`` in a process of its own, which tests stop, pause and kill."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.support.database import Database, url_of
from tests.support.ports import free_port
from tests.support.tokens import SECRET

ROOT = Path(__file__).parents[2]
UNLIMITED = {
    "CHAIRSIDE_API_RATE_PER_S": "1000000",
    "CHAIRSIDE_API_RATE_BURST": "1000000",
    "CHAIRSIDE_API_STORED_BYTES_PER_DAY": "0",
    "CHAIRSIDE_REALTIME_SOCKETS_PER_USER": "0",
    "CHAIRSIDE_CHATBOT_RATE_PER_S": "1000000",
    "CHAIRSIDE_CHATBOT_RATE_BURST": "1000000",
    "CHAIRSIDE_RESERVATIONS_MAX_FUTURE_PER_PATIENT": "0",
}
"""Settings for tests and benchmarks in which a few people stand for many."""
START_S = 90.0
"""Far more than a start takes on an idle machine; under traffic it takes longer."""
STOP_S = 40.0
"""Twice the time to hand over calendars and sockets and to finish requests in flight."""


class HubProcess:
    """Can be killed and started again; it keeps its database and its port."""

    def __init__(self, database: Database, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "hub.log"
        self._environ = {
            **{name: value for name, value in os.environ.items() if "CHAIRSIDE_" not in name},
            "CHAIRSIDE_DATABASE_URL": url_of(database),
            "CHAIRSIDE_AUTH_SECRET": SECRET,
            "CHAIRSIDE_CHATBOT_CONSENT": "assumed",
            "CHAIRSIDE_LOGGING_FORMAT": "json",
            "CHAIRSIDE_LOGGING_LEVEL": "warning",
            **settings,
        }
        self._process: asyncio.subprocess.Process | None = None

    def set(self, name: str, value: str) -> None:
        """Set an environment variable for the next start."""
        self._environ[name] = value

    async def start(self) -> None:
        """Start the hub and wait until it is ready; RuntimeError with its log if it is not."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub.cli", "serve", "--port", str(self.port)),
                cwd=self.log.parent,
                env={**self._environ, "PYTHONPATH": str(ROOT)},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        deadline_s = time.monotonic() + START_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=START_S)) as session:
            while not await self._is_ready(session):
                if self._process.returncode is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(f"the hub did not start: {self.log.read_text()[-3000:]}")
                await asyncio.sleep(0.02)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/health/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientConnectionError, TimeoutError):
            return False

    async def kill(self) -> None:
        """Send SIGKILL: the hub can finish and send nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> None:
        """Kill it if it runs."""
        if self.runs:
            await self.kill()

    def pause(self) -> None:
        """Stop the process: its connections stay open, but it does not respond."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> int:
        """Send SIGTERM and wait; returns the exit code."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                return await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None


@contextlib.asynccontextmanager
async def hub_process(
    database: Database, folder: Path, **settings: str
) -> AsyncIterator[HubProcess]:
    hub = HubProcess(database, folder, **settings)
    await hub.start()
    try:
        yield hub
    finally:
        if hub.runs:
            await hub.kill()
