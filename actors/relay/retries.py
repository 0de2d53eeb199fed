"""Trying to broadcast, and trying again (criterion 7.5)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from actors.ports.events import Broadcaster, EventRecord
from actors.relay.settings import RelaySettings

Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class RelayStats:
    """Counters since start, for metrics."""

    announced: int = 0
    sent: int = 0
    failed: int = 0
    retries: int = 0
    recipients: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an event; ``error`` is the last attempt's, if none succeeded."""

    attempts: int
    recipients: int = 0
    error: Exception | None = None
    problem: str | None = None
    """The kind of the last error that there was, even if a later attempt succeeded."""


class Attempts:
    """Broadcasts with retries."""

    def __init__(
        self,
        broadcaster: Broadcaster,
        settings: RelaySettings,
        stats: RelayStats,
        *,
        jitter: Callable[[], float],
        sleep: Sleep,
    ) -> None:
        self._broadcaster, self._stats = broadcaster, stats
        self._backoff_s = settings.backoff_s
        self._attempt_timeout_s = settings.attempt_timeout_s
        self._jitter, self._sleep = jitter, sleep

    async def of(self, records: Sequence[EventRecord]) -> AsyncIterator[tuple[EventRecord, Tried]]:
        """Each event with what became of it, in order.

        Several go out together; if that fails, it was the first attempt of each, and they
        go on one after the other.
        """
        first: int | Exception | None = None
        if len(records) > 1:
            first = await self._try(records)
            if isinstance(first, Exception) and self._backoff_s:
                await self._back_off(1)
        for record in records:
            if isinstance(first, int):
                yield record, Tried(1, first)
            else:
                yield record, await self._one(record, first)

    async def _one(self, record: EventRecord, error: Exception | None) -> Tried:
        """``error`` is how a first attempt, together with others, ended."""
        attempts, most = int(error is not None), 1 + len(self._backoff_s)
        while attempts < most:
            attempts += 1
            self._stats.retries += attempts > 1
            tried = await self._try([record])
            if isinstance(tried, int):
                return Tried(attempts, tried, problem=_kind(error))
            error = tried
            if attempts < most:
                await self._back_off(attempts)
        return Tried(attempts, error=error, problem=_kind(error))

    async def _try(self, records: Sequence[EventRecord]) -> int | Exception:
        try:
            async with asyncio.timeout(self._attempt_timeout_s * len(records)):
                return await self._broadcaster.broadcast(records)
        except Exception as failure:  # whatever it is, it is retried, then logged and marked
            return failure

    async def _back_off(self, attempts: int) -> None:
        await self._sleep(self._backoff_s[attempts - 1] * self._jitter())


def _kind(error: Exception | None) -> str | None:
    return type(error).__name__ if error else None
