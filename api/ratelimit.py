"""Rate limits of principals: a token bucket each, a bounded number of them."""

from collections.abc import Callable
from typing import Final

from actors.domain.refusals import RateLimited

BUCKETS_MAX: Final = 20_000
"""The least recently used bucket leaves first; its principal then gets a full one."""
_ROUNDING_S: Final = 1e-9


class RateLimiter:
    """Counts the requests of each principal, over REST and sockets together.

    With ``parties``, those of a chatbot for all its patients are counted there, too.
    """

    def __init__(
        self,
        *,
        rate_per_s: float,
        burst: int,
        monotonic: Callable[[], float],
        buckets_max: int = BUCKETS_MAX,
        parties: "RateLimiter | None" = None,
    ) -> None:
        assert rate_per_s > 0, "a bucket that never fills locks its principal out"
        assert burst >= 1, "a bucket holds at least one request"
        self._one_s, self._all_s = 1 / rate_per_s, burst / rate_per_s
        """How long a bucket takes to fill by one request, and completely."""
        self._monotonic, self._parties = monotonic, parties
        self._buckets_max = buckets_max
        self._full_at: dict[str, float] = {}
        """When each bucket is full again; those used last are at the end.

        A third of the time of cachetools (``tests/benchmarks/bench_ratelimit.py``).
        """

    def take(self, scope: str, party: str | None = None) -> None:
        """Count one request of ``scope``, sent by the chatbot ``party`` if by one.

        Raises :class:`RateLimited` above either limit.
        """
        if party is not None and self._parties is not None:
            self._parties.take(party)
        now, full_at = self._monotonic(), self._full_at
        was_s = full_at.pop(scope, now)
        would_be_s = (was_s if was_s > now else now) + self._one_s
        missing_s = would_be_s - now - self._all_s
        full_at[scope] = would_be_s if missing_s <= _ROUNDING_S else was_s
        if len(full_at) > self._buckets_max:
            del full_at[next(iter(full_at))]
        if missing_s > _ROUNDING_S:
            raise RateLimited(missing_s)
