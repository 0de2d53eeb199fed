"""How often, and after how long, something is tried again: bounded and jittered."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from chairside.client.errors import ConnectionLost, HubError

LONGEST_RETRY_AFTER_S = 30.0
"""A hub (or a proxy) may ask for more patience; a program does not wait longer."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """Exponential backoff; ``attempts`` counts the first one, too."""

    attempts: int = 5
    first_delay_s: float = 0.1
    longest_delay_s: float = 3.0
    """As the SDK for browsers: when a hub is back, its screens are right within five seconds."""
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        assert self.attempts >= 1, "the first attempt counts"
        assert 0 <= self.first_delay_s <= self.longest_delay_s

    def delay_s(self, failures: int) -> float:
        """The delay after this many earlier failures: half of the step to all of it."""
        step = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(failures, 32))
        return step * (0.5 + 0.5 * self.random())

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Await ``attempt()`` until it answers yes or no, at most ``attempts`` times.

        A busy hub's ``Retry-After`` is honoured. Raises what the last attempt raised.
        """
        for failures in range(self.attempts - 1):
            try:
                return await attempt()
            except ConnectionLost:
                asked_s = 0.0
            except HubError as refusal:
                if not refusal.may_be_retried:
                    raise
                asked_s = min(refusal.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
            await asyncio.sleep(max(asked_s, self.delay_s(failures)))
        return await attempt()
