"""The health of the hub, for load balancers and the status page (criterion 10.3)."""

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
"""How long an answer of the database is reused: /health is public and must be cheap."""


class Verdict(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Health:
    """Pings the database with a time limit, at most once a second for all callers."""

    def __init__(
        self,
        *,
        clock: Clock,
        ping: Callable[[], Awaitable[object]],
        ping_timeout_s: float,
        connections: Callable[[], Mapping[str, int]],
        keys: Callable[[], str],
    ) -> None:
        """``keys`` is the verdict on the keys that verify tokens."""
        self._clock, self._ping, self._timeout_s = clock, ping, ping_timeout_s
        self._connections, self._keys = connections, keys
        self._started = clock.monotonic()
        self._accepting = True
        self._pinging = asyncio.Lock()
        self._pinged_s: float | None = None
        self._database = Verdict.OK
        self._ping_ms = 0.0

    @property
    def database(self) -> tuple[Verdict, float]:
        """The verdict of the last ping, and its duration in milliseconds."""
        return self._database, round(self._ping_ms, 2)

    @property
    def uptime_s(self) -> int:
        return int(self._clock.monotonic() - self._started)

    def accepting(self, *, accepts: bool) -> None:
        """Set whether the hub accepts new requests; it does not from the moment of stopping."""
        self._accepting = accepts

    async def ready(self) -> bool:
        """Whether a load balancer should send requests here."""
        return self._accepting and await self._ping_database() is Verdict.OK

    async def report(self, *, detailed: bool = False) -> dict[str, Any]:
        """The status of the hub and of each part; ``detailed`` adds figures, for admins.

        ``down``: the database does not answer. ``degraded``: the hub is stopping, or the keys
        that verify tokens cannot be read.
        """
        database, tokens = await self._ping_database(), Verdict(self._keys())
        hub = Verdict.OK if self._accepting else Verdict.DEGRADED
        verdict = hub if tokens is Verdict.OK else Verdict.DEGRADED
        connections = dict(self._connections())
        answer: dict[str, Any] = {
            "status": Verdict.DOWN if database is Verdict.DOWN else verdict,
            "version": __version__,
            "uptime_s": self.uptime_s,
            "hub": {"status": hub},
            "database": {"status": database},
            "tokens": {"status": tokens},
            "realtime": {"status": hub, "connections": sum(connections.values())},
        }
        if detailed:
            answer["database"]["ping_ms"] = round(self._ping_ms, 2)
            answer["realtime"]["namespaces"] = connections
        return answer

    async def _ping_database(self) -> Verdict:
        async with self._pinging:
            now = self._clock.monotonic()
            if self._pinged_s is None or now - self._pinged_s >= PING_KEPT_S:
                self._note(await self._failure())
                self._pinged_s = self._clock.monotonic()
            return self._database

    async def _failure(self) -> Exception | None:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ping()
        except Exception as error:  # of any kind, from the driver
            return error
        self._ping_ms = (time.perf_counter() - began) * 1000
        return None

    def _note(self, error: Exception | None) -> None:
        verdict = Verdict.DOWN if error else Verdict.OK
        if verdict is not self._database:
            self._database = verdict
            if error:
                log.error("database_down", exc_info=error)
            else:
                log.info("database_back")
