"""The figures of ``hub:status``: what the status page shows, once a second.

They are about the hub, never about people: a calendar is named by its dentist, as in the public
directory.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from actors.ports.clock import Clock
from hub import __version__
from hub.telemetry.health import Health
from hub.telemetry.metrics import Gauges, Metrics
from hub.telemetry.recent_errors import RecentErrors

StatusFigures = Mapping[str, Any]
"""The JSON of ``hub:status``."""
Load = tuple[int, int, float, str]

CALENDARS_SHOWN: Final = 20
PROBLEMS_SHOWN: Final = 10
_SOCKET_IO: Final = "socket.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """Facts that do not change while the hub runs."""

    node: str
    engine: str
    """``sqlite`` or ``postgresql``."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    commits: int
    commands: int
    broadcasts: int


class Figures:
    """Takes the figures of this process; rates are since the last time they were taken."""

    def __init__(
        self,
        metrics: Metrics,
        gauges: Gauges,
        clock: Clock,
        *,
        health: Health,
        about: About,
        errors: RecentErrors,
    ) -> None:
        self._metrics, self._gauges, self._clock = metrics, gauges, clock
        self._health, self._about, self._errors = health, about, errors
        self._before = self._read()

    def take(self) -> StatusFigures:
        """All that the status page shows; to be called once per interval.

        It does not query the database: the page requests ``/health`` every second, which does.
        """
        return {
            **self._rates(),
            **self._now(),
            "nodes": [self._node()],
            "redis": None,
            "errors": [asdict(error) for error in self._errors.newest()],
        }

    def _rates(self) -> StatusFigures:
        before, now = self._before, self._read()
        self._before = now
        seconds = max(now.at - before.at, 0.001)
        commits = now.commits - before.commits
        latencies = _drained(self._metrics.latencies_ms)
        commit_times = _drained(self._metrics.commit_times_ms)
        return {
            "commits_per_s": round(commits / seconds, 1),
            "commands_per_commit": round((now.commands - before.commands) / max(commits, 1), 1),
            "commit_p99_ms": percentile(commit_times, 99),
            "broadcasts_per_s": round((now.broadcasts - before.broadcasts) / seconds, 1),
            "latency_p50_ms": percentile(latencies, 50),
            "latency_p95_ms": percentile(latencies, 95),
            "latency_p99_ms": percentile(latencies, 99),
        }

    def _now(self) -> StatusFigures:
        gauges, totals = self._gauges, self._metrics.totals
        connections = dict(gauges.connections())
        status, ping_ms = self._health.database
        return {
            "calendars": gauges.live_calendars(),
            "mailbox_depth": gauges.deepest_mailbox(),
            "holds": gauges.holds(),
            "busiest": [{**asdict(each), "owner": self._about.node} for each in gauges.busiest()],
            "connections": connections,
            "sockets": sockets(connections),
            "slow_readers": totals.slow_readers,
            "retries": totals.retries,
            "failures": totals.failures,
            "problems": [
                {"reason": reason, "count": count}
                for reason, count in totals.problems.most_common(PROBLEMS_SHOWN)
            ],
            "database": {"status": status, "engine": self._about.engine, "ping_ms": ping_ms},
        }

    def _node(self) -> StatusFigures:
        return {
            "id": self._about.node,
            "version": __version__,
            "uptime_s": self._health.uptime_s,
        }

    def _read(self) -> _Reading:
        totals = self._metrics.totals
        return _Reading(self._clock.monotonic(), totals.commits, totals.commands, totals.broadcasts)


def busiest_first(waiting: int, holds: int, turn: float, dentist_id: str) -> Load:
    """Sorts calendars: those with the highest load first. ``turn`` has any one unit."""
    return -waiting, -holds, -turn, dentist_id


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Nearest rank; ``None`` when nothing was measured."""
    if not ordered:
        return None
    rank = max(-(-percent * len(ordered) // 100), 1)
    return round(ordered[rank - 1], 2)


def _drained(measured: deque[float]) -> list[float]:
    """Sorts and clears the values."""
    ordered = sorted(measured)
    measured.clear()
    return ordered


def sockets(connections: Mapping[str, int]) -> list[StatusFigures]:
    """Connections by protocol; the namespaces of Socket.IO begin with a slash."""
    return [
        {"wire": _SOCKET_IO, "namespace": name, "count": count}
        if name.startswith("/")
        else {"wire": name, "namespace": "", "count": count}
        for name, count in connections.items()
    ]
