"""The progress of a run, and its result as a table or as JSON."""

import asyncio
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chairside.traffic.audit import AuditFindings
from chairside.traffic.simulation import Simulation, SimulationResult

SHOWN_PROBLEMS = 20
LIVE_STEP_S = 0.25
LINE_STEP_S = 5.0


async def show_progress(simulation: Simulation, console: Console) -> None:
    """Show ``simulation`` until cancelled: a live table on a terminal, lines elsewhere."""
    if not console.is_terminal:
        while True:
            rows = _progress(simulation)
            console.print("; ".join(f"{name} {value}" for name, value in rows.items()))
            await asyncio.sleep(LINE_STEP_S)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_table(_progress(simulation)), refresh=True)
            await asyncio.sleep(LIVE_STEP_S)


def _progress(simulation: Simulation) -> dict[str, str]:
    statistics, elapsed_s = simulation.statistics, simulation.elapsed_s
    return {
        simulation.phase: f"{elapsed_s:.0f} of {simulation.plan.seconds:.0f} s",
        "commands": f"{statistics.total} ({_rate(statistics.total, elapsed_s)})",
        "bookings": str(simulation.ledger.bookings),
        "cancellations": str(simulation.ledger.cancellations),
        "events shown": str(sum(screen.events for screen in simulation.observers)),
        "to every dashboard": str(statistics.booking_to_dashboards),
        **{code: str(count) for code, count in sorted(statistics.refusals.items())},
    }


def _rate(commands: int, seconds: float) -> str:
    return f"{commands / seconds:.0f}/s" if seconds else "0/s"


def _table(rows: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in rows.items():
        table.add_row(*row)
    return table


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
            "boards": findings.boards,
            "differing": len(findings.differing),
            "visible": len(findings.visible),
        },
        "reconnections": result.reconnections,
        "gaps_healed": result.gaps_healed,
        "duplicates_dropped": result.duplicates_dropped,
    }


def _of_practice(findings: AuditFindings) -> dict[str, str]:
    """What only the simulation of a practice checks."""
    if not findings.boards:
        return {}
    return {
        "boards": f"{findings.boards} compared with the store, {len(findings.differing)} visits"
        f" differ; {len(findings.visible)} things visible to a caller who may not see them"
    }


def as_table(result: SimulationResult) -> RenderableType:
    """A table for a terminal; the last line is the verdict."""
    statistics, findings, ledger = result.statistics, result.findings, result.ledger
    refusals = [f"{count} {code}" for code, count in statistics.refusals.most_common()]
    rows = {
        "commands": f"{statistics.total} in {result.seconds:.1f} s"
        f" ({_rate(statistics.total, result.seconds)}) of {result.patients} patients over REST"
        f" and {result.sockets} sockets",
        "acknowledged": f"{ledger.bookings} bookings, {ledger.cancellations} cancellations",
        "refused": ", ".join(refusals) or "none",
        "booking → commit": str(statistics.booking_to_commit),
        "booking → every dashboard": str(statistics.booking_to_dashboards),
        "this program's own delay": str(statistics.own_delay),
        "audit": f"{findings.rows} live rows, {findings.acknowledged} acknowledged rows,"
        f" {findings.events} events on {findings.channels} screens' channels",
        "found": f"{len(findings.overlaps)} overlaps, {len(findings.lost) + result.unshown} lost,"
        f" {len(findings.duplicates)} duplicates",
        **_of_practice(findings),
        "network": f"{result.reconnections} reconnections, {result.gaps_healed} gaps healed,"
        f" {result.duplicates_dropped} duplicates dropped",
    }
    problems = [Text(f"  {each}", style="red") for each in result.problems[:SHOWN_PROBLEMS]]
    if len(result.problems) > SHOWN_PROBLEMS:
        problems.append(Text(f"  … and {len(result.problems) - SHOWN_PROBLEMS} more"))
    verdict = (
        Text("verdict: failed", style="bold red")
        if result.problems
        else Text("verdict: ok", style="bold green")
    )
    return Group(_table(rows), *problems, verdict)
