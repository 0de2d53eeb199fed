"""Limits the bytes that each principal's commands store in a day."""

from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from actors.domain.principal import Principal, Role
from actors.domain.refusals import RateLimited
from actors.ports.commits import Reply

_DAY_S: Final = 24 * 3_600.0
_COPIES: Final = 4
"""The row, its events on two channels, and the reply kept for a repetition."""
_ROW_BYTES: Final = 1_024
"""About what a command stores beside that: the audit entry, keys, other events."""
_PRINCIPALS_MAX: Final = 20_000


class StoredBytes:
    """An allowance for each principal, which fills up again within a day.

    It counts in this process. A command is refused when the commands before it have used the
    allowance up, so that the last one may exceed it. The hub's own commands do not count.
    """

    def __init__(self, per_day: int, monotonic: Callable[[], float]) -> None:
        """``per_day``: bytes; 0: no limit."""
        self._per_day, self._monotonic = per_day, monotonic
        self._full_at: LRUCache[str, float] = LRUCache(_PRINCIPALS_MAX)
        """When the allowance of each principal is complete again."""

    def check(self, by: Principal) -> None:
        """Raises RateLimited if the allowance of ``by`` is used up."""
        if not self._per_day:
            return
        missing_s = self._full_at.get(by.scope, 0.0) - self._monotonic() - _DAY_S
        if missing_s > 0:
            raise RateLimited(missing_s, "Too much data was stored today; please come back later")

    def add(self, by: Principal, reply: Reply) -> None:
        """Count what a command has stored, by its reply."""
        if not self._per_day or by.role is Role.SYSTEM:
            return
        stored = _COPIES * len(reply.body) + _ROW_BYTES
        now = self._monotonic()
        full_at = max(self._full_at.get(by.scope, 0.0), now)
        self._full_at[by.scope] = full_at + stored * _DAY_S / self._per_day
