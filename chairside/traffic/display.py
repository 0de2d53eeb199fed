"""Shows the progress of a run: a live table on a terminal, lines elsewhere."""

import asyncio

from rich.console import Console
from rich.live import Live
from rich.table import Table

from chairside.traffic.simulation import Simulation

LIVE_STEP_S = 0.25
LINE_STEP_S = 5.0


async def show_progress(simulation: Simulation, console: Console) -> None:
    """Show ``simulation`` until cancelled."""
    if not console.is_terminal:
        while True:
            console.print(_line(simulation))
            await asyncio.sleep(LINE_STEP_S)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            live.update(_table(simulation), refresh=True)
            await asyncio.sleep(LIVE_STEP_S)


def _line(simulation: Simulation) -> str:
    statistics = simulation.statistics
    return (
        f"{simulation.phase} {simulation.elapsed_s:.0f}/{simulation.plan.seconds:.0f} s:"
        f" {statistics.total} commands ({_rate(simulation)}),"
        f" {simulation.ledger.bookings} bookings, {statistics.refusals.total()} refused,"
        f" to every dashboard {_latency(simulation)}"
    )


def _table(simulation: Simulation) -> Table:
    statistics = simulation.statistics
    table = Table.grid(padding=(0, 2))
    table.add_row(
        simulation.phase, f"{simulation.elapsed_s:.0f} of {simulation.plan.seconds:.0f} s"
    )
    table.add_row("commands", f"{statistics.total} ({_rate(simulation)})")
    table.add_row("bookings", str(simulation.ledger.bookings))
    table.add_row("cancellations", str(simulation.ledger.cancellations))
    table.add_row("events shown", str(simulation.events))
    table.add_row("to every dashboard", _latency(simulation))
    for code, count in sorted(statistics.refusals.items()):
        table.add_row(code, str(count))
    return table


def _rate(simulation: Simulation) -> str:
    elapsed_s = simulation.elapsed_s
    return f"{simulation.statistics.total / elapsed_s:.0f}/s" if elapsed_s else "0/s"


def _latency(simulation: Simulation) -> str:
    latencies = simulation.statistics.booking_to_dashboards
    half, most = latencies.percentile(50), latencies.percentile(99)
    return "–" if half is None or most is None else f"p50 {half:.0f} ms, p99 {most:.0f} ms"
