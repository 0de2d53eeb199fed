"""Token buckets limit bursts and rates, in bounded memory."""

import pytest

from actors.domain.refusals import RateLimited
from api.ratelimit import RateLimiter


class FakeMonotonic:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def limiter(
    clock: FakeMonotonic, *, rate_per_s: float = 2, burst: int = 3, most: int = 9
) -> RateLimiter:
    return RateLimiter(rate_per_s=rate_per_s, burst=burst, monotonic=clock, buckets_max=most)


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = FakeMonotonic()
    bucket = limiter(clock)
    for _ in range(3):
        bucket.take("p")
    with pytest.raises(RateLimited) as refused:
        bucket.take("p")
    assert refused.value.retry_after_s == 0.5
    clock.now_s = 0.5
    bucket.take("p")
    with pytest.raises(RateLimited):
        bucket.take("p")


def test_a_refused_request_takes_no_token() -> None:
    clock = FakeMonotonic()
    bucket = limiter(clock, rate_per_s=1, burst=1)
    bucket.take("p")
    for tenth in range(1, 10):
        clock.now_s = tenth / 10
        with pytest.raises(RateLimited):
            bucket.take("p")
    clock.now_s = 1.0
    bucket.take("p")


def test_a_bucket_is_never_fuller_than_its_burst() -> None:
    clock = FakeMonotonic()
    bucket = limiter(clock)
    bucket.take("p")
    clock.now_s = 3_600
    for _ in range(3):
        bucket.take("p")
    with pytest.raises(RateLimited):
        bucket.take("p")


def test_principals_do_not_share_a_bucket() -> None:
    bucket = limiter(FakeMonotonic(), burst=1)
    bucket.take("p")
    bucket.take("q")


def test_the_least_recently_used_bucket_is_dropped_first() -> None:
    bucket = limiter(FakeMonotonic(), burst=1, most=2)
    for scope in ("p", "q", "r"):
        bucket.take(scope)
    bucket.take("p")  # its bucket was dropped, so it is full again
    with pytest.raises(RateLimited):
        bucket.take("r")
