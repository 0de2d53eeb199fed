"""The figures as a table, and as ratios against the targets."""

from collections.abc import Sequence

from tests.benchmarks.booking.contestants import BARE, HUB, HUB_ON_POSTGRES, ROW_LOCK
from tests.benchmarks.booking.measures import Figures, Measured

MANY, SOME = 64, 16
"""Clients of the targets: for bookings a second, and for the slowest of them."""


def table(figures: Figures, clients: Sequence[int]) -> str:
    sizes = "".join(f" {number} client{'s' * (number > 1)} |" for number in clients)
    lines = [f"| server |{sizes}", "|---|" + "---|" * len(clients)]
    for name, by_clients in figures.items():
        cells = "".join(f" {_cell(by_clients[number])} |" for number in clients)
        lines.append(f"| {name} |{cells}")
    return "\n".join(lines)


def _cell(mine: Measured) -> str:
    return f"{mine.per_s:,.0f}/s · {mine.p50_ms:.1f} / {mine.p99_ms:.1f} ms · {mine.cpu_us:,.0f} µs"


def verdicts(figures: Figures) -> Sequence[str]:
    """Each target with what was measured; without targets whose servers were not measured."""
    found: list[tuple[str, float, str, float]] = []

    def ratio(ours: str, theirs: str, what: str, target: float) -> None:
        if ours in figures and theirs in figures:
            measured = figures[ours][MANY].per_s / figures[theirs][MANY].per_s
            found.append((f"bookings a second, {what}", measured, "≥", target))

    ratio(HUB.name, ROW_LOCK.name, "SQLite, × the row lock’s", 8.0)
    ratio(HUB_ON_POSTGRES.name, ROW_LOCK.name, "PostgreSQL, × the row lock’s", 6.0)
    ratio(HUB.name, BARE.name, "SQLite, × the bare handler’s", 0.35)
    if ROW_LOCK.name in figures:
        for ours in (HUB.name, HUB_ON_POSTGRES.name):
            if ours in figures:
                measured = figures[ours][SOME].p99_ms / figures[ROW_LOCK.name][SOME].p99_ms
                found.append(
                    (f"p99 at {SOME} clients, {ours}, × the row lock’s", measured, "≤", 1 / 8)
                )
    return [
        f"{'met   ' if (value <= target) == (sign == '≤') else 'MISSED'} {what}:"
        f" {value:.3g} (target {sign} {target:g})"
        for what, value, sign, target in found
    ]
