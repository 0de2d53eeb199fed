"""Measures when the last dashboard shows a booking. Acks and events arrive in any order."""

from dataclasses import dataclass

from chairside.traffic.statistics import Latencies


@dataclass(slots=True)
class _Arrival:
    requested_at: float | None = None
    screens: int = 0
    last_at: float = 0.0


class Arrivals:
    """Matches acknowledged bookings with their events on every dashboard."""

    def __init__(self, dashboards_per_dentist: int, latencies: Latencies) -> None:
        assert dashboards_per_dentist > 0
        self._expected = dashboards_per_dentist
        self._latencies = latencies
        self._open: dict[str, _Arrival] = {}

    @property
    def missing(self) -> int:
        """Acknowledged bookings that some dashboard has not shown yet."""
        return sum(1 for each in self._open.values() if each.requested_at is not None)

    def acknowledged(self, appointment_id: str, requested_at: float) -> None:
        """A booking that was requested at that time was acknowledged."""
        arrival = self._open.setdefault(appointment_id, _Arrival())
        arrival.requested_at = requested_at
        self._settle(appointment_id, arrival)

    def appeared(self, appointment_id: str, at: float) -> None:
        """One dashboard received the event."""
        arrival = self._open.setdefault(appointment_id, _Arrival())
        arrival.screens += 1
        arrival.last_at = max(arrival.last_at, at)
        self._settle(appointment_id, arrival)

    def _settle(self, appointment_id: str, arrival: _Arrival) -> None:
        if arrival.requested_at is not None and arrival.screens >= self._expected:
            self._latencies.add(arrival.last_at - arrival.requested_at)
            del self._open[appointment_id]
