"""The figures as tables, as ratios against the targets, and as a picture."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path

from tests.benchmarks.booking.calendars import COLD, CalendarFigures
from tests.benchmarks.booking.contestants import BARE, HUB, HUB_ON_POSTGRES, ROW_LOCK
from tests.benchmarks.booking.measures import Closed, Costs, Figures, Load, Measured, Open
from tests.benchmarks.booking.pages import Written
from tests.benchmarks.booking.sockets import SocketFigures
from tests.benchmarks.fanout.report import build

MANY = 64
"""Clients of the targets."""
RATES = (150, 300)
"""Bookings a second of the open loops."""
_COLOURS = {
    HUB.name: "#0b7285",
    HUB_ON_POSTGRES.name: "#1864ab",
    ROW_LOCK.name: "#e67700",
    BARE.name: "#868e96",
}


@dataclass(slots=True)
class Results:
    """What one run measured; parts that were left out are empty."""

    servers: Figures = field(default_factory=dict)
    sockets: SocketFigures = field(default_factory=dict)
    calendars: CalendarFigures | None = None
    pages: Mapping[int, Written] = field(default_factory=dict)
    """By the number of bookings at once."""


def _name(load: Load) -> str:
    if isinstance(load, Open):
        return f"{load.per_s}/s arrive"
    clients = f"{load.clients} client{'s' * (load.clients > 1)}"
    calendars = "" if load.calendars == 100 else f", {load.calendars} calendar"
    return f"{clients}{calendars}{'s' * (1 < load.calendars < 100)}"


def tables(results: Results) -> Iterator[str]:
    if results.servers:
        yield _speeds(results.servers)
        yield _costs(results.servers)
    if results.sockets:
        rows = [f"| {name} | {_speed(each)} |" for name, each in results.sockets.items()]
        yield "\n".join([f"| {MANY} in flight, one dentist | |", "|---|---|", *rows])
    if (found := results.calendars) is not None:
        costs = [(f"{many:,} in memory", each) for many, each in found.warm.items()]
        costs.insert(0, (f"first booking at each of {COLD:,}", found.cold))
        rows = [f"| {name} | {_cost(each)} |" for name, each in costs]
        yield "\n".join(
            [
                f"| calendars ({found.bytes_each / 1_000:.1f} kB each in memory) | {_COST} |",
                "|---|---|",
                *rows,
            ]
        )
    if results.pages:
        rows = [
            f"| {many} | {each.pages:.1f} | {each.of_marks:.1f} |"
            for many, each in results.pages.items()
        ]
        head = "| bookings at once | WAL pages of each, SQLite | of these marks |"
        yield "\n".join([head, "|---|---|---|", *rows])


def _speeds(figures: Figures) -> str:
    """Rate, latencies, processor time of the server itself."""
    loads = list(dict.fromkeys(load for by_load in figures.values() for load in by_load))
    lines = [f"| server | {' | '.join(map(_name, loads))} |", "|---|" + "---|" * len(loads)]
    for name, by_load in figures.items():
        cells = (_speed(by_load[load]) if load in by_load else "cannot" for load in loads)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _speed(mine: Measured) -> str:
    return (
        f"{mine.per_s:,.0f}/s · {mine.p50_ms:.1f} / {mine.p99_ms:.1f} ms"
        f" · {mine.costs.cpu_us:,.0f} µs"
    )


def _costs(figures: Figures) -> str:
    """Of one booking, at each number of clients in all calendars."""
    lines = [f"| one booking | {_COST} |", "|---|---|"]
    for name, by_load in figures.items():
        for load, measured in by_load.items():
            if isinstance(load, Closed) and load.calendars == 100:
                lines.append(f"| {name}, {_name(load)} | {_cost(measured.costs)} |")
    return "\n".join(lines)


_COST = "event loop + other threads + database server · written in calls · its log"


def _cost(mine: Costs) -> str:
    return (
        f"{mine.loop_us:,.0f} + {mine.cpu_us - mine.loop_us:,.0f} + {mine.database_us:,.0f} µs"
        f" · {mine.bytes / 1_000:,.1f} kB in {mine.writes:.1f} · {mine.wal_bytes / 1_000:,.1f} kB"
    )


def verdicts(results: Results) -> Sequence[str]:
    """Each target with what was measured; without targets whose servers were not measured.

    Targets against the version before are not here: no run has both.
    """
    return [
        f"{'met   ' if (value <= target) == (sign == '≤') else 'MISSED'} {what}:"
        f" {value:.3g} (target {sign} {target:g})"
        for what, value, sign, target in (*_ratios(results.servers), *_others(results))
    ]


Target = tuple[str, float, str, float]


def _ratios(figures: Figures) -> Iterator[Target]:
    for ours, theirs, calendars, target in (
        (HUB, BARE, 100, 0.25),
        (HUB, ROW_LOCK, 100, 5.0),
        (HUB_ON_POSTGRES, ROW_LOCK, 100, 5.0),
        (HUB, ROW_LOCK, 1, 8.0),
        (HUB_ON_POSTGRES, ROW_LOCK, 1, 8.0),
    ):
        load = Closed(calendars=calendars, clients=MANY)
        mine, other = (figures.get(each.name, {}).get(load) for each in (ours, theirs))
        if mine and other:
            what = f"bookings a second, {_name(load)}, {ours.name}, × {theirs.name}"
            yield what, mine.per_s / other.per_s, "≥", target
    for ours in (HUB, HUB_ON_POSTGRES):
        for rate in RATES:
            mine, other = (figures.get(each.name, {}).get(Open(rate)) for each in (ours, ROW_LOCK))
            if mine and other:
                what = f"p99 at {rate}/s, {ours.name}, × {ROW_LOCK.name}"
                yield what, mine.p99_ms / other.p99_ms, "≤", 1 / 8


def _others(results: Results) -> Iterator[Target]:
    if found := results.sockets:
        ratio = found["Socket.IO"].per_s / found["HTTP"].per_s
        yield "bookings a second over Socket.IO, × HTTP", ratio, "≥", 1.4
    if results.calendars is not None:
        cpu_ms = results.calendars.cold.cpu_us / 1_000
        yield "first booking at a cold calendar, ms of processor time", cpu_ms, "≤", 1.0
    for many, target in ((1, 18.0), (MANY, 9.0)):
        if many in results.pages:
            what = f"WAL pages of a booking, {many} at once"
            yield what, results.pages[many].pages, "≤", target


def as_json(results: Results) -> str:
    servers = {
        name: {_name(load): asdict(each) for load, each in by_load.items()}
        for name, by_load in results.servers.items()
    }
    found = {
        "build": build(),
        "argv": sys.argv[1:],
        "servers": servers,
        "sockets": {name: asdict(each) for name, each in results.sockets.items()},
        "calendars": asdict(results.calendars) if results.calendars else None,
        "pages": {many: asdict(each) for many, each in results.pages.items()},
    }
    return json.dumps(found, indent=1, ensure_ascii=False)


def draw(results: Results, target: Path) -> None:
    """Charts of bars: bookings a second, and the slowest answers when bookings just arrive."""
    charts: list[tuple[str, list[tuple[str, str, float]]]] = [
        (
            f"Bookings a second, {MANY} clients",
            [
                (name, f"{load.calendars} calendars", each.per_s)
                for name, by_load in results.servers.items()
                for load, each in by_load.items()
                if isinstance(load, Closed) and load.clients == MANY
            ],
        ),
        (
            "p99 when bookings arrive at random, ms",
            [
                (name, f"{load.per_s}/s", each.p99_ms)
                for name, by_load in results.servers.items()
                for load, each in by_load.items()
                if isinstance(load, Open)
            ],
        ),
    ]
    rows = sum(len(bars) for _, bars in charts)
    height = 40 + rows * 18 + len(charts) * 48
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"',
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
    ]
    y = 24
    for title, bars in charts:
        parts.append(f'<text x="12" y="{y}" font-size="15" font-weight="bold">{title}</text>')
        y += 20
        most = max((value for *_, value in bars), default=1.0)
        for name, what, value in bars:
            parts.append(_bar(y, name, what, value, most))
            y += 18
        y += 24
    target.write_text("\n".join([*parts, "</svg>\n"]))


def _bar(y: int, name: str, what: str, value: float, most: float) -> str:
    width = max(1.0, 360 * value / most)
    return (
        f'<text x="12" y="{y}">{escape(what)}</text>'
        f'<rect x="110" y="{y - 11}" width="{width:.0f}" height="13" fill="{_COLOURS[name]}"/>'
        f'<text x="{116 + width:.0f}" y="{y}">{value:,.0f} · {escape(name)}</text>'
    )
