"""How fast and how much at once: traffic must measure the hub, not drown it or itself."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager


class Pace:
    """At most ``per_s`` starts a second, evenly spread, and ``at_once`` in flight."""

    def __init__(self, *, per_s: float, at_once: int) -> None:
        assert per_s > 0
        assert at_once > 0
        self._step_s = 1 / per_s
        self._next = 0.0
        self._room = asyncio.Semaphore(at_once)

    async def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for the next start; the answer is the place in flight, for ``async with``."""
        now = time.monotonic()
        self._next = max(now, self._next + self._step_s)
        if self._next > now:
            await asyncio.sleep(self._next - now)
        return self._room
