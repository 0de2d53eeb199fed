"""The expiry of a token on a live connection: announced first, then carried out."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar

from actors.ports.clock import Clock
from actors.services.identity import Claims
from actors.tasks import Spawn, Work

_CHECK_EVERY_S: Final = 3_600.0
"""The wall clock is read at least this often, because it may have been set."""


class TokenHolder(Protocol):
    """A connection, or a channel of one, that ends with its token."""

    claims: Claims
    expiry_announced: bool
    expiry_timer: asyncio.TimerHandle | None


AnyHolder = TypeVar("AnyHolder", bound=TokenHolder)


class TokenExpiry(Generic[AnyHolder]):
    """Announces the expiry of each holder's token, and ends the holder."""

    def __init__(
        self,
        clock: Clock,
        *,
        notice_s: float,
        leeway_s: float,
        announce: Callable[[AnyHolder], Work],
        end: Callable[[AnyHolder], Work],
        spawn: Spawn,
    ) -> None:
        self._clock = clock
        self._notice, self._leeway = timedelta(seconds=notice_s), timedelta(seconds=leeway_s)
        self._announce, self._end, self._spawn = announce, end, spawn

    def watch(self, holder: AnyHolder) -> None:
        """Start, or start again with the claims of a new token."""
        self.forget(holder)
        holder.expiry_announced = False
        self._check(holder)

    def forget(self, holder: AnyHolder) -> None:
        if holder.expiry_timer is not None:
            holder.expiry_timer.cancel()
            holder.expiry_timer = None

    def _check(self, holder: AnyHolder) -> None:
        """Do what is due, and set a timer for the next step."""
        holder.expiry_timer = None
        left = holder.claims.expires_at + self._leeway - self._clock.now()
        if left <= timedelta(0):
            self._spawn(self._end(holder))
            return
        if left <= self._notice and not holder.expiry_announced:
            holder.expiry_announced = True
            self._spawn(self._announce(holder))
        wait = left if holder.expiry_announced else left - self._notice
        delay_s = min(max(wait.total_seconds(), 0.001), _CHECK_EVERY_S)
        holder.expiry_timer = asyncio.get_running_loop().call_later(delay_s, self._check, holder)
