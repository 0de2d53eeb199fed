"""What the rate limiter saves with a dictionary in the order of use, against cachetools.

Run by hand: ``python -m tests.benchmarks.bench_ratelimit``. Fails when it is not worth its lines.
"""

from time import monotonic, perf_counter

from cachetools import LRUCache

from api.ratelimit import BUCKETS_MAX, RateLimiter

ROUNDS, CALLS = 50, 500
LEAST_RATIO = 1.5


class WithCachetools(RateLimiter):
    def __init__(self) -> None:
        super().__init__(rate_per_s=1e9, burst=10**9, monotonic=monotonic)
        self._cache: LRUCache[str, float] = LRUCache(BUCKETS_MAX)

    def take(self, scope: str, party: str | None = None) -> None:
        now = self._monotonic()
        self._cache[scope] = max(self._cache.get(scope, now), now) + self._one_s


def seconds(limiter: RateLimiter) -> float:
    began = perf_counter()
    for _ in range(CALLS):
        limiter.take("patient:1")
    return perf_counter() - began


def main() -> None:
    ways = (RateLimiter(rate_per_s=1e9, burst=10**9, monotonic=monotonic), WithCachetools())
    rounds = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
    ours, theirs = (min(took) / CALLS * 1e6 for took in zip(*rounds, strict=True))
    print(f"dictionary {ours:.1f} µs, cachetools {theirs:.1f} µs")
    assert theirs / ours >= LEAST_RATIO, "the shortcut is not worth its lines any more"


if __name__ == "__main__":
    main()
