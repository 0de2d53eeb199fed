"""Broadcasts that are retried when they fail (criterion 7.5)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from actors.ports.events import Broadcaster, EventRecord
from actors.relay.settings import RelaySettings

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BroadcastOutcome:
    """How the broadcast of an event ended, over all its attempts."""

    attempts: int
    recipients: int = 0
    error: Exception | None = None
    """The error of the last attempt, if none succeeded."""
    problem: str | None = None
    """The type of the last error, even if a later attempt succeeded."""


class RetryingBroadcaster:
    """Broadcasts events, and retries each with exponential backoff and jitter."""

    def __init__(
        self,
        broadcaster: Broadcaster,
        settings: RelaySettings,
        *,
        jitter: Callable[[], float],
        sleep: Sleep,
    ) -> None:
        self._broadcaster = broadcaster
        self._backoff_s = settings.backoff_s
        self._attempt_timeout_s = settings.attempt_timeout_s
        self._jitter, self._sleep = jitter, sleep

    async def broadcast(
        self, records: Sequence[EventRecord]
    ) -> AsyncIterator[tuple[EventRecord, BroadcastOutcome]]:
        """Broadcast consecutive events of one channel; yields each with its outcome, in order.

        They are sent together first. If that fails, it counts as the first attempt of each,
        and each is retried on its own before the next one follows.
        """
        first: int | Exception | None = None
        if len(records) > 1:
            first = await self._try(records)
            if isinstance(first, Exception) and self._backoff_s:
                await self._back_off(1)
        for record in records:
            if isinstance(first, int):
                yield record, BroadcastOutcome(1, first)
            else:
                yield record, await self._one(record, first)

    async def _one(self, record: EventRecord, error: Exception | None) -> BroadcastOutcome:
        """``error`` is that of a first attempt together with other events."""
        attempts, most = int(error is not None), 1 + len(self._backoff_s)
        while attempts < most:
            attempts += 1
            result = await self._try([record])
            if isinstance(result, int):
                return BroadcastOutcome(attempts, result, problem=_type_of(error))
            error = result
            if attempts < most:
                await self._back_off(attempts)
        return BroadcastOutcome(attempts, error=error, problem=_type_of(error))

    async def _try(self, records: Sequence[EventRecord]) -> int | Exception:
        try:
            async with asyncio.timeout(self._attempt_timeout_s * len(records)):
                return await self._broadcaster.broadcast(records)
        except Exception as failure:  # of any kind: it is retried, then logged and marked
            return failure

    async def _back_off(self, attempts: int) -> None:
        await self._sleep(self._backoff_s[attempts - 1] * self._jitter())


def _type_of(error: Exception | None) -> str | None:
    return type(error).__name__ if error else None
