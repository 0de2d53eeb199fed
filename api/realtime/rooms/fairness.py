"""Sharing the event loop: how much is written before others get their turn."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

TURN_S: Final = 0.002
"""How long may be written in one turn of the loop; whoever else waits, waits this long."""


class Turns:
    """The turns of the loop in which something is written, and what happens at their end.

    ``number`` tells turns apart: what is written twice to one connection in the same turn
    is worth joining, for events come faster than the loop turns.
    """

    def __init__(self, turn_s: float = TURN_S) -> None:
        self.number = 0
        self._turn_s = turn_s
        self._ends_at: float | None = None
        self._at_end: list[Callable[[], None]] = []

    def begin(self) -> int:
        """Something is written now; the number of this turn."""
        if self._ends_at is None:
            self._ends_at = time.perf_counter() + self._turn_s
            asyncio.get_running_loop().call_soon(self._end)
        return self.number

    def at_end(self, act: Callable[[], None]) -> None:
        """``act`` when this turn is over; it has begun."""
        self._at_end.append(act)

    def _end(self) -> None:
        self.number += 1
        self._ends_at = None
        acts, self._at_end = self._at_end, []
        for act in acts:
            try:
                act()
            except Exception:  # one connection's failure is not the others'
                log.exception("turn_failed")

    @property
    def is_over(self) -> bool:
        return self._ends_at is not None and time.perf_counter() >= self._ends_at

    async def others_first(self) -> None:
        """Wait until there is time left for writing."""
        while self.is_over:  # noqa: ASYNC110  # turns of the loop are what is waited for
            await asyncio.sleep(0)
