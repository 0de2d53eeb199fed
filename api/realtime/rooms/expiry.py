"""The expiry of a token on a live connection: announced first, then carried out."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Generic, TypeVar

from actors.ports.clock import Clock
from api.realtime.rooms.revocations import LiveConnection

_CHECK_EVERY_S: Final = 10.0
"""The wall clock is read this often, because it may have been set, or the machine suspended."""


AnyHolder = TypeVar("AnyHolder", bound=LiveConnection)


class TokenExpiry(Generic[AnyHolder]):
    """Announces the expiry of each holder's token, and ends the holder."""

    def __init__(
        self,
        clock: Clock,
        *,
        notice_s: float,
        leeway_s: float,
        announce: Callable[[AnyHolder], None],
        end: Callable[[AnyHolder], None],
    ) -> None:
        self._clock, self._announce, self._end = clock, announce, end
        self._notice, self._leeway = timedelta(seconds=notice_s), timedelta(seconds=leeway_s)
        self._timers: dict[AnyHolder, asyncio.Handle] = {}

    def watch(self, holder: AnyHolder) -> None:
        """Start, or start again with the claims of a new token."""
        self.forget(holder)
        loop = asyncio.get_running_loop()
        self._timers[holder] = loop.call_soon(self._check, holder, False)

    def forget(self, holder: AnyHolder) -> None:
        if timer := self._timers.pop(holder, None):
            timer.cancel()

    def _check(self, holder: AnyHolder, announced: bool) -> None:
        """Do what is due, and set a timer for the next step."""
        left = holder.claims.expires_at - self._clock.now() + self._leeway
        if left <= timedelta(0):
            self.forget(holder)
            self._end(holder)
            return
        if left <= self._notice and not announced:
            announced = True
            self._announce(holder)
        wait = left if announced else left - self._notice
        delay_s = min(max(wait.total_seconds(), 0.001), _CHECK_EVERY_S)
        loop = asyncio.get_running_loop()
        self._timers[holder] = loop.call_later(delay_s, self._check, holder, announced)
