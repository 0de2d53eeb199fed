"""What is counted and timed while traffic runs."""

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
"""What a healthy hub says to people who compete for the same slots."""

CONNECTION_LOST = "CONNECTION_LOST"
"""Our own code: no answer came, the outcome is unknown. A restarting hub does that."""


class Latencies:
    """Durations in milliseconds; all are kept, a run is bounded."""

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
    """Nearest rank: the smallest value that ``percent`` of all do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


@dataclass(slots=True)
class Figures:
    commands: Counter[str] = field(default_factory=Counter)
    """Commands sent, by kind; the client's own repetitions are not counted."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Commands that were refused or got no answer, by code."""
    every_command: Latencies = field(default_factory=Latencies)
    booking_to_commit: Latencies = field(default_factory=Latencies)
    """From asking to the acknowledgement, which comes after the commit."""
    booking_to_dashboards: Latencies = field(default_factory=Latencies)
    """From asking until the last dashboard of the dentist had the event."""
    own_delay: Latencies = field(default_factory=Latencies)
    """How late this program's own loop ran: part of every latency above."""

    @property
    def total(self) -> int:
        return self.commands.total()

    @property
    def unexpected(self) -> dict[str, int]:
        fine = EXPECTED_REFUSALS | {CONNECTION_LOST}
        return {code: count for code, count in self.refusals.items() if code not in fine}
