"""Percentiles, pace, arrivals, links and the verdict of a simulation."""

import asyncio
import time
from pathlib import Path

import pytest

from chairside.traffic.audit import AuditFindings
from chairside.traffic.context import Pace
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinksError, read_links
from chairside.traffic.report import as_json
from chairside.traffic.simulation import SimulationResult
from chairside.traffic.statistics import Arrivals, Latencies, RunStatistics, percentile


def test_percentiles_are_values_that_occurred() -> None:
    ordered = [float(n) for n in range(1, 101)]
    assert [percentile(ordered, p) for p in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 99) is None


def test_a_summary_is_in_milliseconds() -> None:
    latencies = Latencies()
    for seconds in (0.001, 0.002, 0.1):
        latencies.add(seconds)
    assert latencies.summary() == {
        "count": 3,
        "p50_ms": 2.0,
        "p90_ms": 100.0,
        "p99_ms": 100.0,
        "max_ms": 100.0,
    }


def test_an_arrival_is_complete_with_the_last_dashboard() -> None:
    latencies = Latencies()
    arrivals = Arrivals(2, latencies)
    arrivals.appeared("a1", 10.2)
    arrivals.acknowledged("a1", 10.0)
    assert (len(latencies), arrivals.missing) == (0, 1)
    arrivals.appeared("a1", 10.5)
    assert latencies.summary()["p50_ms"] == pytest.approx(500)
    assert arrivals.missing == 0


def test_bookings_of_other_clients_are_not_missing() -> None:
    arrivals = Arrivals(3, Latencies())
    arrivals.appeared("not ours", 1.0)
    assert arrivals.missing == 0


async def test_pace_spreads_starts_and_bounds_commands_in_flight() -> None:
    pace = Pace(per_s=200, max_in_flight=3)
    in_flight, most = 0, 0

    async def command() -> None:
        nonlocal in_flight, most
        async with pace.admission():
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0.03)
            in_flight -= 1

    began = time.monotonic()
    await asyncio.gather(*(command() for _ in range(20)))
    assert most <= 3
    assert time.monotonic() - began >= 19 / 200


def test_links_that_cannot_be_used_are_refused_with_a_reason(tmp_path: Path) -> None:
    missing = tmp_path / "links.json"
    with pytest.raises(LinksError, match="chairside demo"):
        read_links(missing)
    missing.write_text("{")
    with pytest.raises(LinksError, match="not JSON"):
        read_links(missing)
    missing.write_text('{"dentists": []}')
    with pytest.raises(LinksError, match="patients"):
        read_links(missing)


def result(
    statistics: RunStatistics, ledger_bookings: int = 1, unshown: int = 0
) -> SimulationResult:
    ledger = Ledger()
    ledger.bookings = ledger_bookings
    return SimulationResult(
        statistics=statistics,
        ledger=ledger,
        findings=AuditFindings(),
        seconds=1.0,
        patients=1,
        sockets=1,
        reconnections=0,
        gaps_healed=0,
        duplicates_dropped=0,
        unshown=unshown,
    )


def test_refusals_of_competing_patients_are_no_failure() -> None:
    statistics = RunStatistics()
    statistics.refusals.update({"SLOT_TAKEN": 40, "RATE_LIMITED": 2, "CONNECTION_LOST": 1})
    report = as_json(result(statistics))
    assert (report["verdict"], report["refusals"]["SLOT_TAKEN"]) == ("ok", 40)


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "VALIDATION_ERROR", "UNAUTHORIZED"])
def test_any_other_refusal_fails_the_run(code: str) -> None:
    statistics = RunStatistics()
    statistics.refusals[code] = 1
    report = as_json(result(statistics))
    assert report["verdict"] == "failed"
    assert report["problems"] == [f"1 × {code}"]


def test_a_run_without_bookings_or_with_unshown_ones_fails() -> None:
    assert as_json(result(RunStatistics(), ledger_bookings=0))["verdict"] == "failed"
    assert as_json(result(RunStatistics(), unshown=1))["audit"]["lost"] == 1
