"""Intervals of time."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open interval ``[start, end)`` of instants in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        assert self.start.tzinfo is UTC, "instants are UTC"
        assert self.end.tzinfo is UTC, "instants are UTC"
        assert self.start < self.end, "an interval has a positive length"
