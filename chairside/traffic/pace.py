"""Bounds the rate and the number of commands, so that traffic does not overload the hub."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """At most ``per_s`` starts a second, evenly spread, and ``max_in_flight`` at once."""

    def __init__(self, *, per_s: float, max_in_flight: int) -> None:
        assert per_s > 0
        assert max_in_flight > 0
        self._interval_s = 1 / per_s
        self._next = 0.0
        self._in_flight = asyncio.Semaphore(max_in_flight)

    @asynccontextmanager
    async def admission(self) -> AsyncIterator[None]:
        """Wait for the next start, and count as in flight until the block ends."""
        now = time.monotonic()
        self._next = max(now, self._next + self._interval_s)
        if self._next > now:
            await asyncio.sleep(self._next - now)
        async with self._in_flight:
            yield
