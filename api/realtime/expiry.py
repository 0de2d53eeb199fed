"""The end of a token on a live socket: told in time, then carried out (DESIGN §6)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from actors.ports import Clock
from api.realtime.session import Session

_LONGEST_S = 3_600.0
"""The wall clock is looked at again at least this often: it may have been set."""

Act = Callable[[Session], Awaitable[None]]
Spawn = Callable[[Awaitable[None]], object]


class Expiry:
    """One timer per session, owned by it and cancelled with it."""

    def __init__(
        self,
        clock: Clock,
        *,
        notice_s: float,
        leeway_s: float,
        expiring: Act,
        expired: Act,
        spawn: Spawn,
    ) -> None:
        self._clock = clock
        self._notice, self._leeway = timedelta(seconds=notice_s), timedelta(seconds=leeway_s)
        self._expiring, self._expired, self._spawn = expiring, expired, spawn

    def watch(self, session: Session) -> None:
        """Begin, or begin again with the claims of a new token."""
        self.forget(session)
        session.told_expiring = False
        self._look(session)

    def forget(self, session: Session) -> None:
        if session.timer is not None:
            session.timer.cancel()
            session.timer = None

    def _look(self, session: Session) -> None:
        """Do what is due, and come back when the next thing is."""
        session.timer = None
        left = session.claims.expires_at + self._leeway - self._clock.now()
        if left <= timedelta(0):
            self._spawn(self._expired(session))
            return
        if left <= self._notice and not session.told_expiring:
            session.told_expiring = True
            self._spawn(self._expiring(session))
        wait = left if session.told_expiring else left - self._notice
        loop = asyncio.get_running_loop()
        delay_s = min(max(wait.total_seconds(), 0.001), _LONGEST_S)
        session.timer = loop.call_later(delay_s, self._look, session)
