"""Half-open intervals of time in UTC: ``[start, end)``, so back-to-back is legal."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Interval:
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        assert self.start.tzinfo is UTC, "instants are UTC"
        assert self.end.tzinfo is UTC, "instants are UTC"
        assert self.start < self.end, "an interval has a positive length"

    def overlaps(self, other: "Interval") -> bool:
        return self.start < other.end and other.start < self.end
