"""Long computations on the event loop, in slices that take turns."""

import asyncio
from collections import Counter
from types import TracebackType
from typing import Final

from actors.domain.refusals import RateLimited

SLICE_STARTS: Final = 1_000
"""Starts of slots that are computed or written as JSON at a time: one or two milliseconds."""
LONG_STARTS: Final = 10_000
"""A computation of more starts is long. Its result may take 20 MB."""
LONG_OF_USER_MAX: Final = 4
"""Long computations of one user that run or wait."""
_RETRY_S: Final = 1.0


class Turns:
    """Lets one slice of all computations run in an iteration of the event loop.

    However many there are, other tasks wait for one slice at a time. Of long computations, one
    runs at a time; the others wait, so that their results do not pile up in memory.
    """

    def __init__(self) -> None:
        self._slice, self._long = asyncio.Lock(), asyncio.Lock()
        self._long_of: Counter[str] = Counter()

    def begin(self, scope: str | None = None) -> "Computation":
        """A computation of the principal with this scope; without one it is never long."""
        return Computation(self, scope)

    async def next_slice(self) -> None:
        async with self._slice:
            await asyncio.sleep(0)

    async def begin_long(self, scope: str) -> None:
        """Wait until no other long computation runs; raises RateLimited."""
        if self._long_of[scope] >= LONG_OF_USER_MAX:
            raise RateLimited(_RETRY_S, "Too many long lists at once; please request fewer days")
        self._long_of[scope] += 1
        try:
            await self._long.acquire()
        except BaseException:
            self._forget(scope)
            raise

    def end_long(self, scope: str) -> None:
        self._long.release()
        self._forget(scope)

    def _forget(self, scope: str) -> None:
        self._long_of[scope] -= 1
        if not self._long_of[scope]:
            del self._long_of[scope]


class Computation:
    """One computation. Its first slice runs at once, so that short ones do not wait."""

    def __init__(self, turns: Turns, scope: str | None) -> None:
        self._turns, self._scope = turns, scope
        self._spent = self._total = 0
        self._is_long = False

    async def __aenter__(self) -> "Computation":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_long and self._scope is not None:
            self._turns.end_long(self._scope)

    async def spend(self, starts: int) -> None:
        """Note that so many starts were computed; after a slice, wait for the next turn.

        Raises RateLimited when the computation becomes long, and the user has too many.
        """
        self._spent += starts
        self._total += starts
        if self._spent < SLICE_STARTS:
            return
        self._spent = 0
        if self._total >= LONG_STARTS and not self._is_long and self._scope is not None:
            await self._turns.begin_long(self._scope)
            self._is_long = True
        await self._turns.next_slice()
