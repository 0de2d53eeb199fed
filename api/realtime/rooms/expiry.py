"""The end of a token on a live socket: told in time, then carried out (DESIGN §6)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from actors.ports.clock import Clock
from actors.services.identity import Claims
from actors.tasks import Spawn, Work

_LONGEST_S = 3_600.0
"""The wall clock is looked at again at least this often: it may have been set."""


class Bearer(Protocol):
    """Whatever lives as long as a token: a connection, or a channel of one."""

    claims: Claims
    told_expiring: bool
    timer: asyncio.TimerHandle | None


AnyBearer = TypeVar("AnyBearer", bound=Bearer)


class Expiry(Generic[AnyBearer]):
    """One timer per bearer, owned by it and cancelled with it."""

    def __init__(
        self,
        clock: Clock,
        *,
        notice_s: float,
        leeway_s: float,
        expiring: Callable[[AnyBearer], Work],
        expired: Callable[[AnyBearer], Work],
        spawn: Spawn,
    ) -> None:
        self._clock = clock
        self._notice, self._leeway = timedelta(seconds=notice_s), timedelta(seconds=leeway_s)
        self._expiring, self._expired, self._spawn = expiring, expired, spawn

    def watch(self, bearer: AnyBearer) -> None:
        """Begin, or begin again with the claims of a new token."""
        self.forget(bearer)
        bearer.told_expiring = False
        self._look(bearer)

    def forget(self, bearer: AnyBearer) -> None:
        if bearer.timer is not None:
            bearer.timer.cancel()
            bearer.timer = None

    def _look(self, bearer: AnyBearer) -> None:
        """Do what is due, and come back when the next thing is."""
        bearer.timer = None
        left = bearer.claims.expires_at + self._leeway - self._clock.now()
        if left <= timedelta(0):
            self._spawn(self._expired(bearer))
            return
        if left <= self._notice and not bearer.told_expiring:
            bearer.told_expiring = True
            self._spawn(self._expiring(bearer))
        wait = left if bearer.told_expiring else left - self._notice
        loop = asyncio.get_running_loop()
        delay_s = min(max(wait.total_seconds(), 0.001), _LONGEST_S)
        bearer.timer = loop.call_later(delay_s, self._look, bearer)
