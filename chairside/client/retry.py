"""Retries with exponential backoff and jitter, bounded in number and delay."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from chairside.client.errors import ClientError, ConnectionLost, HubError

RETRY_AFTER_MAX_S: Final = 30.0
"""Upper bound for the ``Retry-After`` of a hub or a proxy."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Exponential backoff; ``attempts`` includes the first one."""

    attempts: int = 5
    first_delay_s: float = 0.1
    longest_delay_s: float = 3.0
    """As in the browser SDK: screens are up to date within five seconds of a hub's return."""
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        assert self.attempts >= 1, "the first attempt is included"
        assert 0 <= self.first_delay_s <= self.longest_delay_s

    def delay_s(self, failures: int, error: ClientError | None = None) -> float:
        """The delay after ``failures`` earlier ones: between half the backoff and all of it.

        At least the ``Retry-After`` that the hub sent with ``error``.
        """
        backoff_s = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(failures, 32))
        retry_after_s = (isinstance(error, HubError) and error.retry_after_s) or 0.0
        return max(backoff_s * (0.5 + 0.5 * self.random()), min(retry_after_s, RETRY_AFTER_MAX_S))

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Await ``attempt()`` until it succeeds or fails for good, at most ``attempts`` times."""
        for failures in range(self.attempts - 1):
            try:
                return await attempt()
            except (ConnectionLost, HubError) as error:
                if isinstance(error, HubError) and not error.may_be_retried:
                    raise
                delay_s = self.delay_s(failures, error)
            await asyncio.sleep(delay_s)
        return await attempt()
