"""Metrics count what happens, separately for each hub."""

from datetime import UTC, datetime

from actors.domain.channels import AVAILABILITY_ALL
from actors.domain.position import Position
from actors.ports.events import Delivery
from hub.telemetry.metrics import Gauges, Metrics

NOW = datetime(2027, 3, 8, 9, tzinfo=UTC)


def delivery(
    *, sent: bool = True, latency_ms: float = 10.0, attempts: int = 1, recipients: int = 2
) -> Delivery:
    return Delivery(
        channel=AVAILABILITY_ALL,
        position=Position(1, 1),
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


def test_broadcasts_retries_and_failures_are_counted_separately() -> None:
    metrics = Metrics()
    metrics.delivered([delivery()])
    metrics.delivered([delivery(attempts=3)])
    metrics.delivered([delivery(attempts=4, sent=False)])
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


def test_current_values_are_read_at_each_scrape() -> None:
    depth = [1]
    metrics = Metrics()
    metrics.watch(
        Gauges(
            live_calendars=lambda: 3,
            deepest_mailbox=lambda: depth[0],
            holds=lambda: 2,
            connections=lambda: {"/dentist": 1},
            cache_lookups=lambda: {"people": {"hit": 5, "miss": 2}},
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
