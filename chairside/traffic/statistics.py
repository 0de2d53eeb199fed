"""Counts and latencies of a run."""

import math
from collections import Counter, defaultdict
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
        "TOO_MANY_APPOINTMENTS",
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

    def summary(self) -> dict[str, float | int | None]:
        """Count, p50, p90, p99 and the largest, in milliseconds."""
        ordered = sorted(self._ms)
        percents = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "max_ms": 100}
        found = {name: percentile(ordered, percent) for name, percent in percents.items()}
        return {"count": len(ordered)} | found

    def __str__(self) -> str:
        """``p50 3.1 ms, p99 12.0 ms, max 30.2 ms (120)``."""
        summary = self.summary()
        shown = [f"{name} {summary[f'{name}_ms']} ms" for name in ("p50", "p99", "max")]
        return f"{', '.join(shown)} ({len(self)})" if self else "none"


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """By nearest rank, to a tenth: the smallest value that ``percent`` of all do not exceed."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)], 1)


@dataclass(slots=True)
class _Arrival:
    requested_at: float | None = None
    screens: int = 0
    last_at: float = 0.0


class Arrivals:
    """Measures when the last dashboard shows a booking. Acks and events arrive in any order."""

    def __init__(self, dashboards_per_dentist: int, latencies: Latencies) -> None:
        assert dashboards_per_dentist > 0
        self._expected = dashboards_per_dentist
        self._latencies = latencies
        self._open: dict[str, _Arrival] = defaultdict(_Arrival)

    @property
    def missing(self) -> int:
        """Acknowledged bookings that some dashboard has not shown yet."""
        return sum(1 for each in self._open.values() if each.requested_at is not None)

    def acknowledged(self, appointment_id: str, requested_at: float) -> None:
        """A booking that was requested at that time was acknowledged."""
        self._open[appointment_id].requested_at = requested_at
        self._settle(appointment_id)

    def appeared(self, appointment_id: str, at: float) -> None:
        """One dashboard received the event."""
        arrival = self._open[appointment_id]
        arrival.screens += 1
        arrival.last_at = max(arrival.last_at, at)
        self._settle(appointment_id)

    def _settle(self, appointment_id: str) -> None:
        arrival = self._open[appointment_id]
        if arrival.requested_at is not None and arrival.screens >= self._expected:
            self._latencies.add(arrival.last_at - arrival.requested_at)
            del self._open[appointment_id]


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
