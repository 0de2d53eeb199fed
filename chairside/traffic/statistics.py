"""Counts and latencies of a run."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

EXPECTED_REFUSALS = frozenset(
    {
        "CALENDAR_BUSY",
        "INVALID_TRANSITION",
        "OUTSIDE_AVAILABILITY",
        "PATIENT_CONFLICT",
        "RATE_LIMITED",
        "RESERVATION_EXPIRED",
        "SLOT_TAKEN",
        "TOO_FAR",
        "TOO_LATE",
        "TOO_MANY_RESERVATIONS",
        "TOO_SOON",
        "UNAVAILABLE",
        "VERSION_CONFLICT",
    }
)
"""Codes with which a healthy hub refuses patients who compete for the same slots."""

CONNECTION_LOST = "CONNECTION_LOST"
"""Counted when no answer arrived, as during a restart: the outcome is unknown."""


class Latencies:
    """Durations in milliseconds. All are kept, as a run is bounded."""

    def __init__(self) -> None:
        self._ms: list[float] = []

    def add(self, seconds: float) -> None:
        self._ms.append(seconds * 1000)

    def __len__(self) -> int:
        return len(self._ms)

    def percentile(self, percent: float) -> float | None:
        return percentile(sorted(self._ms), percent)

    def summary(self) -> dict[str, float | int | None]:
        """Count, p50, p90, p99 and the largest, in milliseconds."""
        ordered = sorted(self._ms)
        named = {f"p{each}_ms": percentile(ordered, each) for each in (50, 90, 99)}
        rounded = {name: _tenth(value) for name, value in named.items()}
        return {"count": len(ordered), **rounded, "max_ms": _tenth(percentile(ordered, 100))}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """By nearest rank: the smallest value that ``percent`` of all values do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


@dataclass(slots=True)
class RunStatistics:
    commands: Counter[str] = field(default_factory=Counter)
    """Commands sent, by kind; retries of the client are not counted."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Commands that were refused or got no answer, by code."""
    every_command: Latencies = field(default_factory=Latencies)
    booking_to_commit: Latencies = field(default_factory=Latencies)
    """From the request to the acknowledgement, which follows the commit."""
    booking_to_dashboards: Latencies = field(default_factory=Latencies)
    """From the request until the last dashboard of the dentist received the event."""
    own_delay: Latencies = field(default_factory=Latencies)
    """Delay of this program's own event loop, contained in every latency above."""

    @property
    def total(self) -> int:
        return self.commands.total()

    @property
    def unexpected(self) -> dict[str, int]:
        fine = EXPECTED_REFUSALS | {CONNECTION_LOST}
        return {code: count for code, count in self.refusals.items() if code not in fine}
