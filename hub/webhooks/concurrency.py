"""How many requests may be under way: at once, and to one receiver."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    def __init__(self, overall: int, per_target: int) -> None:
        self._overall = asyncio.Semaphore(overall)
        self._per_target = per_target
        self._targets: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def one(self, target: str) -> AsyncIterator[None]:
        """First the receiver's own: who waits for a slow one keeps nobody else waiting."""
        semaphore, users = self._targets.get(target, (asyncio.Semaphore(self._per_target), 0))
        self._targets[target] = semaphore, users + 1
        try:
            async with semaphore, self._overall:
                yield
        finally:
            semaphore, users = self._targets[target]
            if users == 1:
                del self._targets[target]
            else:
                self._targets[target] = semaphore, users - 1
