"""Metrics and figures say what happened, each hub for itself."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.domain.channels import AVAILABILITY_ALL
from actors.ports import Delivery
from actors.services.cache import Lookups
from hub.health import Figures, percentile
from hub.metrics import Gauges, Metrics
from tests.support.clock import FakeClock

NOW = datetime(2027, 3, 8, 9, tzinfo=UTC)
GAUGES = Gauges(
    live_calendars=lambda: 3,
    deepest_mailbox=lambda: 7,
    holds=lambda: 2,
    connections=lambda: {"/dentist": 1, "/patient": 4},
)


def delivery(
    *, sent: bool = True, latency_ms: float = 10.0, attempts: int = 1, recipients: int = 2
) -> Delivery:
    return Delivery(
        channel=AVAILABILITY_ALL,
        epoch=1,
        offset=1,
        sent=sent,
        at=NOW,
        latency_ms=latency_ms,
        attempts=attempts,
        recipients=recipients,
    )


def rendered(metrics: Metrics) -> list[str]:
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return body.decode().splitlines()


def test_requests_are_counted_by_method_route_and_status() -> None:
    metrics = Metrics()
    metrics.request("GET", "/api/appointments/{id}", 404, 0.002)
    labels = 'method="GET",route="/api/appointments/{id}",status="404"'
    lines = rendered(metrics)
    assert f"chairside_request_seconds_count{{{labels}}} 1.0" in lines
    assert f'chairside_request_seconds_bucket{{le="0.0025",{labels}}} 1.0' in lines


def test_commits_count_transactions_and_the_commands_in_them() -> None:
    metrics = Metrics()
    metrics.commit(5, 0.004)
    lines = rendered(metrics)
    assert "chairside_commit_seconds_count 1.0" in lines
    assert "chairside_commit_commands_sum 5.0" in lines


def test_broadcasts_retries_and_failures_are_told_apart() -> None:
    metrics = Metrics()
    metrics.delivered(delivery())
    metrics.delivered(delivery(attempts=3))
    metrics.delivered(delivery(attempts=4, sent=False))
    lines = rendered(metrics)
    assert "chairside_broadcast_latency_seconds_count 2.0" in lines
    assert "chairside_deliveries_total 4.0" in lines
    assert "chairside_broadcast_retries_total 5.0" in lines
    assert "chairside_broadcast_failures_total 1.0" in lines


def test_socket_commands_are_counted_by_outcome() -> None:
    metrics = Metrics()
    metrics.command("/patient", "appointment:book", "SLOT_TAKEN", 0.01)
    text = "\n".join(rendered(metrics))
    labels = 'event="appointment:book",namespace="/patient",outcome="SLOT_TAKEN"'
    assert f"chairside_socket_command_seconds_count{{{labels}}} 1.0" in text


def test_current_values_are_asked_for_at_each_scrape() -> None:
    depth = [1]
    metrics = Metrics()
    metrics.watch(
        Gauges(
            live_calendars=lambda: 3,
            deepest_mailbox=lambda: depth[0],
            holds=lambda: 2,
            connections=lambda: {"/dentist": 1},
            cache_lookups=lambda: {"people": Lookups(hits=5, misses=2)},
        )
    )
    assert "chairside_mailbox_depth 1.0" in rendered(metrics)
    assert 'chairside_cache_lookups_total{cache="people",result="hit"} 5.0' in rendered(metrics)
    depth[0] = 9
    lines = rendered(metrics)
    assert "chairside_mailbox_depth 9.0" in lines
    assert "chairside_calendars 3.0" in lines
    assert 'chairside_connections{namespace="/dentist"} 1.0' in lines


def test_two_hubs_in_one_process_do_not_share_metrics() -> None:
    one, other = Metrics(), Metrics()
    one.commit(1, 0.001)
    assert "chairside_commit_seconds_count 0.0" in rendered(other)


def test_figures_are_rates_since_the_reading_before() -> None:
    metrics, clock = Metrics(), FakeClock()
    figures = Figures(metrics, GAUGES, clock)
    for latency_ms in range(1, 101):
        metrics.delivered(delivery(latency_ms=latency_ms))
    metrics.commit(6, 0.001)
    metrics.commit(2, 0.001)
    clock.advance(timedelta(seconds=2))
    assert figures.take() == {
        "calendars": 3,
        "mailbox_depth": 7,
        "holds": 2,
        "connections": {"/dentist": 1, "/patient": 4},
        "commits_per_s": 1.0,
        "commands_per_commit": 4.0,
        "broadcasts_per_s": 50.0,
        "latency_p50_ms": 50,
        "latency_p99_ms": 99,
        "retries": 0,
        "failures": 0,
    }
    clock.advance(timedelta(seconds=1))
    after = figures.take()
    assert (after["commits_per_s"], after["broadcasts_per_s"], after["latency_p50_ms"]) == (
        0.0,
        0.0,
        None,
    )


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([4.0], 99, 4.0), ([1.0, 2.0], 50, 1.0), ([1.0, 2.0, 3.0], 99, 3.0)],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], percent: int, expected: float | None
) -> None:
    assert percentile(values, percent) == expected
