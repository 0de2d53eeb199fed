"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    def __init__(self, now: datetime = datetime(2027, 2, 26, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic_s = 1_000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic_s

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._monotonic_s += by.total_seconds()
