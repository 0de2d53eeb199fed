"""Limits of concurrent requests to receivers: in total, and to one receiver."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class ConcurrencyLimits:
    """At most ``total`` requests under way, and ``per_target`` to each receiver."""

    def __init__(self, total: int, per_target: int) -> None:
        self._total = asyncio.Semaphore(total)
        self._per_target = per_target
        self._by_target: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def acquire(self, target: str) -> AsyncIterator[None]:
        """Waits for the receiver's own limit first, so a slow receiver delays no others."""
        of_target = self._by_target.setdefault(target, asyncio.Semaphore(self._per_target))
        async with of_target, self._total:
            yield
