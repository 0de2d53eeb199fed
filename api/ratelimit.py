"""How often one principal may ask: a token bucket each, a bounded number of them."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.domain.refusals import RateLimited

BUCKETS_MAX: Final = 20_000
"""The longest unused goes first; whoever comes back after that finds a full bucket."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimiter:
    def __init__(
        self,
        *,
        rate_per_s: float,
        burst: int,
        monotonic: Callable[[], float],
        buckets_max: int = BUCKETS_MAX,
    ) -> None:
        assert rate_per_s > 0, "a bucket that never fills locks its principal out"
        assert burst >= 1, "a bucket holds at least one request"
        self._rate_per_s, self._burst = rate_per_s, float(burst)
        self._monotonic, self._buckets_max = monotonic, buckets_max
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, scope: str) -> None:
        """Count one request of ``scope``; raises :class:`RateLimited` when it has had enough."""
        now = self._monotonic()
        bucket = self._buckets.get(scope)
        if bucket is None:
            bucket = self._add(scope, now)
        self._buckets.move_to_end(scope)
        tokens = bucket.tokens + (now - bucket.at_s) * self._rate_per_s
        if tokens > self._burst:
            tokens = self._burst
        bucket.tokens, bucket.at_s = tokens, now
        if tokens < 1:
            raise RateLimited((1 - tokens) / self._rate_per_s)
        bucket.tokens = tokens - 1

    def _add(self, scope: str, now: float) -> _Bucket:
        bucket = self._buckets[scope] = _Bucket(self._burst, now)
        if len(self._buckets) > self._buckets_max:
            self._buckets.popitem(last=False)
        return bucket
