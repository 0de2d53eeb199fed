"""A bounded cache of records that change seldom, invalidated by events."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from cachetools import Cache as CacheOf
from cachetools import LRUCache, TTLCache

K = TypeVar("K")
V = TypeVar("V")


_READS_MAX = 10
"""Reads of a record that is invalidated each time while it is read."""


class Cache(Generic[K, V]):
    """Drops the least recently used record first. Does not cache ``None`` (no such record).

    A value that was invalidated while it was read is read again.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        *,
        limit: int = 10_000,
        max_age_s: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``max_age_s``: for records whose invalidation may be missed; ``None``: no limit."""
        self._load = load
        self._kept: CacheOf[K, V] = (
            LRUCache(limit) if max_age_s is None else TTLCache(limit, max_age_s, monotonic)
        )
        self._drops = 0
        self.lookups = {"hit": 0, "miss": 0}
        """Look-ups since the start, by result."""

    def cached(self, key: K) -> V | None:
        """The record, if it is in memory."""
        if (kept := self._kept.get(key)) is not None:
            self.lookups["hit"] += 1
        return kept

    async def get(self, key: K) -> V | None:
        if (kept := self.cached(key)) is not None:
            return kept
        self.lookups["miss"] += 1
        for _ in range(_READS_MAX):
            drops = self._drops
            value = await self._load(key)
            if drops == self._drops:  # no event invalidated it while it was read
                if value is not None:
                    self._kept[key] = value
                break
        return value

    def drop(self, key: K) -> None:
        self._drops += 1
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._drops += 1
        self._kept.clear()
