"""Limits how many live connections each principal has at once."""

from collections import Counter
from typing import Final

from actors.domain.refusals import RateLimited

_RETRY_S: Final = 5.0


class ConnectionLimit:
    """Counts the open connections of each principal, by its scope."""

    def __init__(self, limit: int) -> None:
        """``limit``: connections of one principal; 0: any number."""
        self._limit = limit
        self._open: Counter[str] = Counter()

    def enter(self, scope: str) -> None:
        """Count a connection until ``leave``; raises RateLimited if there are too many."""
        if self._limit and self._open[scope] >= self._limit:
            reason = f"At most {self._limit} live connections of one user; please close another one"
            raise RateLimited(_RETRY_S, reason)
        self._open[scope] += 1

    def leave(self, scope: str) -> None:
        self._open[scope] -= 1
        assert self._open[scope] >= 0, "only what entered leaves"
        if not self._open[scope]:
            del self._open[scope]


class ConnectionUsers:
    """The principals that use one connection: it counts once for each of them."""

    def __init__(self, limit: ConnectionLimit) -> None:
        self._limit = limit
        self._uses: Counter[str] = Counter()

    def enter(self, scope: str) -> None:
        """Raises RateLimited, see :class:`ConnectionLimit`."""
        if not self._uses[scope]:
            self._limit.enter(scope)
        self._uses[scope] += 1

    def leave(self, scope: str) -> None:
        self._uses[scope] -= 1
        if not self._uses[scope]:
            del self._uses[scope]
            self._limit.leave(scope)
