"""The verdict, for people and for scripts."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chairside.traffic.simulation import Outcome
from chairside.traffic.statistics import Latencies

SHOWN_PROBLEMS = 20


def as_json(outcome: Outcome) -> dict[str, Any]:
    figures, findings = outcome.figures, outcome.findings
    return {
        "verdict": "failed" if outcome.problems else "ok",
        "problems": outcome.problems,
        "seconds": round(outcome.seconds, 1),
        "patients": outcome.patients,
        "sockets": outcome.sockets,
        "commands": {"total": figures.total, **dict(sorted(figures.commands.items()))},
        "refusals": dict(sorted(figures.refusals.items())),
        "bookings": outcome.ledger.bookings,
        "cancellations": outcome.ledger.cancellations,
        "latencies": {
            "every_command": figures.every_command.summary(),
            "booking_to_commit": figures.booking_to_commit.summary(),
            "booking_to_every_dashboard": figures.booking_to_dashboards.summary(),
            "own_delay": figures.own_delay.summary(),
        },
        "audit": {
            "rows": findings.rows,
            "acknowledged": findings.promises,
            "channels": findings.channels,
            "events": findings.events,
            "overlaps": len(findings.overlaps),
            "lost": len(findings.lost) + outcome.unshown,
            "duplicates": len(findings.duplicates),
            "other": len(findings.other),
        },
        "reconnections": outcome.reconnections,
        "gaps_healed": outcome.gaps_healed,
        "duplicates_dropped": outcome.duplicates_dropped,
    }


def as_table(outcome: Outcome) -> RenderableType:
    """What a person wants to know, ending in the verdict."""
    figures, findings = outcome.figures, outcome.findings
    table = Table.grid(padding=(0, 2))
    rate = figures.total / outcome.seconds if outcome.seconds else 0.0
    table.add_row(
        "commands",
        f"{figures.total} in {outcome.seconds:.1f} s ({rate:.0f}/s)"
        f" of {outcome.patients} patients over REST and {outcome.sockets} sockets",
    )
    table.add_row(
        "acknowledged",
        f"{outcome.ledger.bookings} bookings, {outcome.ledger.cancellations} cancellations",
    )
    table.add_row("refused", _counts(figures.refusals.most_common()))
    table.add_row("booking → commit", _latency(figures.booking_to_commit))
    table.add_row("booking → every dashboard", _latency(figures.booking_to_dashboards))
    table.add_row("this program's own delay", _latency(figures.own_delay))
    table.add_row(
        "audit",
        f"{findings.rows} live rows, {findings.promises} acknowledged rows,"
        f" {findings.events} events on {findings.channels} screens' channels",
    )
    table.add_row(
        "found",
        f"{len(findings.overlaps)} overlaps, {len(findings.lost) + outcome.unshown} lost,"
        f" {len(findings.duplicates)} duplicates",
    )
    table.add_row(
        "network",
        f"{outcome.reconnections} reconnections, {outcome.gaps_healed} gaps healed,"
        f" {outcome.duplicates_dropped} duplicates dropped",
    )
    problems = [Text(f"  {each}", style="red") for each in outcome.problems[:SHOWN_PROBLEMS]]
    if len(outcome.problems) > SHOWN_PROBLEMS:
        problems.append(Text(f"  … and {len(outcome.problems) - SHOWN_PROBLEMS} more"))
    verdict = (
        Text("verdict: failed", style="bold red")
        if outcome.problems
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
