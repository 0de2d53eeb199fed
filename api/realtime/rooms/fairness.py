"""Fair use of the event loop: how long connections are written to before other tasks run."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SLICE_S: Final = 0.002
"""How long one iteration of the event loop may write; all other tasks wait that long."""


class TimeSlice:
    """The share of each event loop iteration that is spent on writing.

    ``iteration`` numbers the iterations: what is written to one connection twice in the same
    iteration is worth joining, because events then come faster than the loop iterates.
    """

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self.iteration = 0
        self._slice_s = slice_s
        self._ends_at: float | None = None
        self._callbacks: list[Callable[[], None]] = []

    def begin(self) -> int:
        """Note that something is written now; returns the number of this iteration."""
        if self._ends_at is None:
            self._ends_at = time.perf_counter() + self._slice_s
            asyncio.get_running_loop().call_soon(self._end)
        return self.iteration

    def call_at_end(self, callback: Callable[[], None]) -> None:
        """Call when this iteration, which has begun, ends."""
        self._callbacks.append(callback)

    def _end(self) -> None:
        self.iteration += 1
        self._ends_at = None
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # a failing connection must not affect the others
                log.exception("turn_failed")

    @property
    def is_used_up(self) -> bool:
        return self._ends_at is not None and time.perf_counter() >= self._ends_at

    async def wait_for_next(self) -> None:
        """Let other tasks run until there is time for writing again."""
        while self.is_used_up:  # noqa: ASYNC110  # waits for iterations of the event loop
            await asyncio.sleep(0)
