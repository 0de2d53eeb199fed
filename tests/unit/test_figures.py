"""The figures of ``hub:status``: rates, the busiest calendars and errors, without people."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from actors.domain.channels import AVAILABILITY_ALL
from actors.domain.position import Position
from actors.ports.events import Delivery
from hub.cluster.figures import merged
from hub.telemetry.figures import CALENDARS_SHOWN, About, Figures, percentile, sockets
from hub.telemetry.health import Health
from hub.telemetry.logging import LoggingSettings, configure_logging
from hub.telemetry.metrics import CalendarFigures, Gauges, Metrics
from hub.telemetry.recent_errors import RecentErrors
from tests.support.clock import FakeClock
from tests.support.logs import Logs

NOW = datetime(2027, 3, 8, 9, tzinfo=UTC)
CALENDAR = CalendarFigures(dentist_id="d", waiting=1, turn_ms=2.5, holds=2)
GAUGES = Gauges(
    live_calendars=lambda: 3,
    deepest_mailbox=lambda: 7,
    holds=lambda: 2,
    connections=lambda: {"/dentist": 1, "/patient": 4},
    busiest=lambda: [CALENDAR],
)


async def _answers() -> None:
    return None


def figures_of(metrics: Metrics, clock: FakeClock, errors: RecentErrors | None = None) -> Figures:
    health = Health(
        clock=clock,
        ping=_answers,
        ping_timeout_s=1.0,
        connections=GAUGES.connections,
        keys=lambda: "ok",
    )
    return Figures(
        metrics,
        GAUGES,
        clock,
        health=health,
        about=About(node="here-1", engine="sqlite"),
        errors=errors or RecentErrors(),
    )


def delivery(latency_ms: float = 1.0, *, attempts: int = 1, problem: str | None = None) -> Delivery:
    return Delivery(
        channel=AVAILABILITY_ALL,
        position=Position(1, 1),
        sent=attempts < 4,
        at=NOW,
        latency_ms=latency_ms,
        attempts=attempts,
        recipients=2,
        problem=problem,
    )


def test_rates_cover_the_time_since_the_previous_reading() -> None:
    metrics, clock = Metrics(), FakeClock()
    figures = figures_of(metrics, clock)
    for latency_ms in range(1, 101):
        metrics.delivered([delivery(latency_ms)])
    metrics.commit(6, 0.001)
    metrics.commit(2, 0.004)
    clock.advance(timedelta(seconds=2))
    taken = figures.take()
    assert {name: taken[name] for name in taken if "per_" in name or name.endswith("_ms")} == {
        "commits_per_s": 1.0,
        "commands_per_commit": 4.0,
        "commit_p99_ms": 4.0,
        "broadcasts_per_s": 50.0,
        "latency_p50_ms": 50,
        "latency_p95_ms": 95,
        "latency_p99_ms": 99,
    }
    clock.advance(timedelta(seconds=1))
    after = figures.take()
    assert (after["commits_per_s"], after["broadcasts_per_s"]) == (0.0, 0.0)
    assert (after["latency_p50_ms"], after["commit_p99_ms"]) == (None, None)


def test_only_socketio_connections_have_namespaces() -> None:
    assert sockets({"/admin": 1, "supabase": 2, "stream": 3}) == [
        {"wire": "socket.io", "namespace": "/admin", "count": 1},
        {"wire": "supabase", "namespace": "", "count": 2},
        {"wire": "stream", "namespace": "", "count": 3},
    ]


def test_figures_of_nodes_are_summed_or_the_worst_is_shown() -> None:
    def of_node(node: str, **figures: Any) -> dict[str, Any]:
        return {
            "holds": 1,
            "latency_p99_ms": None,
            "connections": {"/patient": 2},
            "nodes": [{"id": node}],
            "busiest": [{"dentist_id": f"d-{node}", "waiting": 0, "holds": 0, "turn_ms": 1.0}],
            "problems": [{"reason": "TimeoutError", "count": 1}],
            "commits_per_s": 2.0,
            "commands_per_commit": 3.0,
            **figures,
        }

    busy = {"dentist_id": "d", "waiting": 4, "holds": 0, "turn_ms": 1.0}
    whole = merged(of_node("a"), [of_node("b", latency_p99_ms=7, busiest=[busy])])
    assert (whole["holds"], whole["latency_p99_ms"], whole["commands_per_commit"]) == (2, 7, 3.0)
    assert whole["connections"] == {"/patient": 4}
    assert whole["sockets"] == sockets({"/patient": 4})
    assert [node["id"] for node in whole["nodes"]] == ["a", "b"]
    assert [each["dentist_id"] for each in whole["busiest"]] == ["d", "d-a"]
    assert whole["problems"] == [{"reason": "TimeoutError", "count": 2}]


def test_current_values_come_with_node_engine_and_protocol() -> None:
    taken = figures_of(Metrics(), FakeClock()).take()
    assert (taken["calendars"], taken["mailbox_depth"], taken["holds"]) == (3, 7, 2)
    assert taken["connections"] == {"/dentist": 1, "/patient": 4}
    assert taken["sockets"][1] == {"wire": "socket.io", "namespace": "/patient", "count": 4}
    assert taken["busiest"] == [
        {"dentist_id": "d", "waiting": 1, "turn_ms": 2.5, "holds": 2, "owner": "here-1"}
    ]
    assert [node["id"] for node in taken["nodes"]] == ["here-1"]
    assert taken["database"] == {"status": "ok", "engine": "sqlite", "ping_ms": 0.0}
    assert taken["redis"] is None


def test_failures_are_counted_with_their_reasons() -> None:
    metrics = Metrics()
    metrics.delivered([delivery(attempts=2, problem="TimeoutError")])
    metrics.delivered([delivery(attempts=4, problem="TimeoutError")])
    metrics.delivered([delivery(attempts=2, problem="OSError")])
    metrics.slow_reader()
    taken = figures_of(metrics, FakeClock()).take()
    assert (taken["retries"], taken["failures"], taken["slow_readers"]) == (5, 1, 1)
    assert taken["problems"] == [
        {"reason": "TimeoutError", "count": 2},
        {"reason": "OSError", "count": 1},
    ]


def test_the_busiest_calendars_come_first_up_to_a_limit() -> None:
    idle = [
        CalendarFigures(dentist_id=f"{n:03}", waiting=0, turn_ms=0.0, holds=0) for n in range(50)
    ]
    waiting = CalendarFigures(dentist_id="w", waiting=9, turn_ms=0.0, holds=0)
    holding = CalendarFigures(dentist_id="h", waiting=0, turn_ms=0.0, holds=3)
    slow = CalendarFigures(dentist_id="s", waiting=0, turn_ms=5.0, holds=0)
    busy = [{"busiest": [asdict(each)]} for each in (slow, holding, waiting)]
    shown = merged({"busiest": [*map(asdict, idle)]}, busy)["busiest"]
    assert [each["dentist_id"] for each in shown[:4]] == ["w", "h", "s", "000"]
    assert len(shown) == CALENDARS_SHOWN


def test_errors_of_the_log_are_counted_without_their_texts() -> None:
    errors, out = RecentErrors(), Logs()
    configure_logging(LoggingSettings(format="json"), out, also=errors)
    log = structlog.get_logger("store.sqlite.writer")
    log.info("nothing_wrong")
    for patient in ("Ada", "Grace"):
        log.error("commit_failed", patient=patient)
    log.error("Ada Example was here")
    taken = figures_of(Metrics(), FakeClock(), errors).take()["errors"]
    assert [(each["event"], each["logger"], each["count"]) for each in taken] == [
        ("message", "store.sqlite.writer", 1),
        ("commit_failed", "store.sqlite.writer", 2),
    ]
    assert taken[0]["time"].endswith("Z")
    assert "Ada" not in str(taken)
    assert len(out.lines("commit_failed")) == 2, "the log contains every line"


def test_only_the_newest_kinds_of_errors_are_kept() -> None:
    errors = RecentErrors()
    for number in range(100):
        errors(None, "error", {"level": "error", "event": f"kind_{number}", "logger": "x"})
    kept = errors.newest()
    assert (len(kept), kept[0].event) == (20, "kind_99")


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([4.0], 99, 4.0), ([1.0, 2.0], 50, 1.0), ([1.0, 2.0, 3.0], 99, 3.0)],
)
def test_a_percentile_is_a_measured_value(
    values: list[float], percent: int, expected: float | None
) -> None:
    assert percentile(values, percent) == expected
