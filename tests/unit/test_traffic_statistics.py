"""Traffic's own arithmetic: percentiles, pace, arrivals, links, the verdict."""

import asyncio
import time
from pathlib import Path

import pytest

from chairside.traffic.arrivals import Arrivals
from chairside.traffic.audit import Findings
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinksError, read_links
from chairside.traffic.pace import Pace
from chairside.traffic.report import as_json
from chairside.traffic.simulation import Outcome
from chairside.traffic.statistics import Figures, Latencies, percentile


def test_percentiles_are_values_that_really_occurred() -> None:
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


def test_an_arrival_is_complete_when_the_last_dashboard_has_it_whatever_came_first() -> None:
    latencies = Latencies()
    arrivals = Arrivals(2, latencies)
    arrivals.appeared("a1", 10.2)
    arrivals.asked("a1", 10.0)
    assert (len(latencies), arrivals.missing) == (0, 1)
    arrivals.appeared("a1", 10.5)
    assert latencies.percentile(50) == pytest.approx(500)
    assert arrivals.missing == 0


def test_bookings_of_others_are_not_missing() -> None:
    arrivals = Arrivals(3, Latencies())
    arrivals.appeared("not ours", 1.0)
    assert arrivals.missing == 0


async def test_pace_spreads_starts_and_bounds_what_is_in_flight() -> None:
    pace = Pace(per_s=200, at_once=3)
    in_flight, most = 0, 0

    async def command() -> None:
        nonlocal in_flight, most
        async with await pace.turn():
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


def outcome(figures: Figures, ledger_bookings: int = 1, unshown: int = 0) -> Outcome:
    ledger = Ledger()
    ledger.bookings = ledger_bookings
    return Outcome(
        figures=figures,
        ledger=ledger,
        findings=Findings(),
        seconds=1.0,
        patients=1,
        sockets=1,
        reconnections=0,
        gaps_healed=0,
        duplicates_dropped=0,
        unshown=unshown,
    )


def test_refusals_of_competing_people_are_counted_and_are_no_failure() -> None:
    figures = Figures()
    figures.refusals.update({"SLOT_TAKEN": 40, "RATE_LIMITED": 2, "CONNECTION_LOST": 1})
    report = as_json(outcome(figures))
    assert (report["verdict"], report["refusals"]["SLOT_TAKEN"]) == ("ok", 40)


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "VALIDATION_ERROR", "UNAUTHORIZED"])
def test_any_other_refusal_fails_the_run(code: str) -> None:
    figures = Figures()
    figures.refusals[code] = 1
    report = as_json(outcome(figures))
    assert report["verdict"] == "failed"
    assert report["problems"] == [f"1 × {code}"]


def test_a_run_without_a_booking_or_with_one_unshown_proves_nothing_good() -> None:
    assert as_json(outcome(Figures(), ledger_bookings=0))["verdict"] == "failed"
    assert as_json(outcome(Figures(), unshown=1))["audit"]["lost"] == 1
