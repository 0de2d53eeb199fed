"""How the hub is: for load balancers, for the status page, for criterion 10.3."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

import structlog

from actors.ports.clock import Clock
from hub import __version__

log = structlog.get_logger(__name__)

PING_KEPT_S = 1.0
"""An answer of the database counts this long: /health is public and must cost nothing."""


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Health:
    """Asks the database with a time limit, at most once a second however many ask."""

    def __init__(
        self,
        *,
        clock: Clock,
        ping: Callable[[], Awaitable[object]],
        ping_timeout_s: float,
        connections: Callable[[], Mapping[str, int]],
    ) -> None:
        self._clock, self._ping, self._timeout_s = clock, ping, ping_timeout_s
        self._connections = connections
        self._started = clock.monotonic()
        self._accepting = True
        self._asking = asyncio.Lock()
        self._asked: float | None = None
        self._database = Verdict.OK
        self._ping_ms = 0.0

    @property
    def database(self) -> tuple[Verdict, float]:
        """What it was found to be the last time, and how many milliseconds it took."""
        return self._database, round(self._ping_ms, 2)

    @property
    def uptime_s(self) -> int:
        return int(self._clock.monotonic() - self._started)

    def accepting(self, *, accepts: bool) -> None:
        """Whether new requests are welcome; from the moment of stopping they are not."""
        self._accepting = accepts

    async def ready(self) -> bool:
        """Whether a load balancer should send requests here."""
        return self._accepting and await self._ask_database() is Verdict.OK

    async def report(self, *, detailed: bool = False) -> dict[str, Any]:
        """Status of the whole and of each part; ``detailed`` adds figures (for admins).

        ``down``: nothing can be booked. ``degraded``: stopping.
        """
        database = await self._ask_database()
        hub = Verdict.OK if self._accepting else Verdict.DEGRADED
        connections = dict(self._connections())
        answer: dict[str, Any] = {
            "status": Verdict.DOWN if database is Verdict.DOWN else hub,
            "version": __version__,
            "uptime_s": self.uptime_s,
            "hub": {"status": hub},
            "database": {"status": database},
            "realtime": {"status": hub, "connections": sum(connections.values())},
        }
        if detailed:
            answer["database"]["ping_ms"] = round(self._ping_ms, 2)
            answer["realtime"]["namespaces"] = connections
        return answer

    async def _ask_database(self) -> Verdict:
        async with self._asking:
            now = self._clock.monotonic()
            if self._asked is None or now - self._asked >= PING_KEPT_S:
                self._note(await self._answer())
                self._asked = self._clock.monotonic()
            return self._database

    async def _answer(self) -> BaseException | None:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ping()
        except Exception as error:  # whatever the driver raises, it does not answer
            return error
        self._ping_ms = (time.perf_counter() - began) * 1000
        return None

    def _note(self, error: BaseException | None) -> None:
        verdict = Verdict.DOWN if error else Verdict.OK
        if verdict is not self._database:
            self._database = verdict
            if error:
                log.error("database_down", exc_info=error)
            else:
                log.info("database_back")
