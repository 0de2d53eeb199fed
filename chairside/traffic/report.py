"""The result of a run, as a table or as JSON."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chairside.traffic.simulation import SimulationResult
from chairside.traffic.statistics import Latencies

SHOWN_PROBLEMS = 20


def as_json(result: SimulationResult) -> dict[str, Any]:
    statistics, findings = result.statistics, result.findings
    return {
        "verdict": "failed" if result.problems else "ok",
        "problems": result.problems,
        "seconds": round(result.seconds, 1),
        "patients": result.patients,
        "sockets": result.sockets,
        "commands": {"total": statistics.total, **dict(sorted(statistics.commands.items()))},
        "refusals": dict(sorted(statistics.refusals.items())),
        "bookings": result.ledger.bookings,
        "cancellations": result.ledger.cancellations,
        "latencies": {
            "every_command": statistics.every_command.summary(),
            "booking_to_commit": statistics.booking_to_commit.summary(),
            "booking_to_every_dashboard": statistics.booking_to_dashboards.summary(),
            "own_delay": statistics.own_delay.summary(),
        },
        "audit": {
            "rows": findings.rows,
            "acknowledged": findings.acknowledged,
            "channels": findings.channels,
            "events": findings.events,
            "overlaps": len(findings.overlaps),
            "lost": len(findings.lost) + result.unshown,
            "duplicates": len(findings.duplicates),
            "other": len(findings.other),
        },
        "reconnections": result.reconnections,
        "gaps_healed": result.gaps_healed,
        "duplicates_dropped": result.duplicates_dropped,
    }


def as_table(result: SimulationResult) -> RenderableType:
    """A table for a terminal; the last line is the verdict."""
    statistics, findings = result.statistics, result.findings
    table = Table.grid(padding=(0, 2))
    rate = statistics.total / result.seconds if result.seconds else 0.0
    table.add_row(
        "commands",
        f"{statistics.total} in {result.seconds:.1f} s ({rate:.0f}/s)"
        f" of {result.patients} patients over REST and {result.sockets} sockets",
    )
    table.add_row(
        "acknowledged",
        f"{result.ledger.bookings} bookings, {result.ledger.cancellations} cancellations",
    )
    table.add_row("refused", _counts(statistics.refusals.most_common()))
    table.add_row("booking → commit", _latency(statistics.booking_to_commit))
    table.add_row("booking → every dashboard", _latency(statistics.booking_to_dashboards))
    table.add_row("this program's own delay", _latency(statistics.own_delay))
    table.add_row(
        "audit",
        f"{findings.rows} live rows, {findings.acknowledged} acknowledged rows,"
        f" {findings.events} events on {findings.channels} screens' channels",
    )
    table.add_row(
        "found",
        f"{len(findings.overlaps)} overlaps, {len(findings.lost) + result.unshown} lost,"
        f" {len(findings.duplicates)} duplicates",
    )
    table.add_row(
        "network",
        f"{result.reconnections} reconnections, {result.gaps_healed} gaps healed,"
        f" {result.duplicates_dropped} duplicates dropped",
    )
    problems = [Text(f"  {each}", style="red") for each in result.problems[:SHOWN_PROBLEMS]]
    if len(result.problems) > SHOWN_PROBLEMS:
        problems.append(Text(f"  … and {len(result.problems) - SHOWN_PROBLEMS} more"))
    verdict = (
        Text("verdict: failed", style="bold red")
        if result.problems
        else Text("verdict: ok", style="bold green")
    )
    return Group(table, *problems, verdict)


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {code}" for code, count in counts) or "none"


def _latency(latencies: Latencies) -> str:
    """``p50 3.1 ms, p99 12.0 ms, max 30.2 ms``."""
    if not latencies:
        return "none"
    summary = latencies.summary()
    shown = ", ".join(f"{name} {summary[f'{name}_ms']} ms" for name in ("p50", "p99", "max"))
    return f"{shown} ({len(latencies)})"
