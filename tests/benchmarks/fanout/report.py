"""The figures as a table, as ratios against the targets, and as a picture."""

import json
import os
import platform
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from tests.benchmarks.fanout.contestants import FLOOR, HUB, NODE, STOCK
from tests.benchmarks.fanout.measures import RATE, Figures, Plan

_COLOURS = {HUB.name: "#0b7285", NODE.name: "#5c940d", STOCK.name: "#e67700", FLOOR.name: "#868e96"}


def build() -> str:
    """The interpreter and the machine: figures of another are not comparable."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = "optimised" if "--enable-optimizations" in options else "without PGO"
    return (
        f"Python {platform.python_version()} ({optimised}, {platform.python_compiler()}),"
        f" {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    )


def table(figures: Mapping[str, Figures], plan: Plan) -> str:
    sizes = "".join(f" {size:,} sockets |" for size in plan.sizes)
    steady = f"p50 / p99 at {RATE:.0f}/s × {plan.steady_size:,}"
    lines = [
        f"| server |{sizes} idle socket | {steady} | event + ack |",
        "|---|" + "---|" * (len(plan.sizes) + 3),
    ]
    for name, mine in figures.items():
        cells = "".join(
            f" {mine.cpu_us[size]:.1f} µs · {mine.per_s[size] / 1_000:,.0f}k/s |"
            for size in plan.sizes
        )
        steady = (
            "cannot" if mine.steady_ms is None else "{:.1f} / {:.1f} ms".format(*mine.steady_ms)
        )
        memory = "—" if name == FLOOR.name else f"{mine.idle_bytes / 1_000:.1f} kB"
        ack = "—" if name == FLOOR.name else f"{mine.ack_cpu_us:.0f} µs"
        lines.append(f"| {name} |{cells} {memory} | {steady} | {ack} |")
    return "\n".join(lines)


def verdicts(figures: Mapping[str, Figures], plan: Plan) -> Sequence[str]:
    """Each target with what was measured; without targets whose servers were not measured."""
    hub, node, stock = (figures.get(each.name) for each in (HUB, NODE, STOCK))
    if hub is None:
        return ()
    found = [("memory of an idle socket, kB", hub.idle_bytes / 1_000, "≤", 25.0)]
    if node:
        leanest = min(node.cpu_us[size] / hub.cpu_us[size] for size in plan.sizes)
        fastest = min(hub.per_s[size] / node.per_s[size] for size in plan.sizes)
        found += [
            ("deliveries per CPU second, × Node", leanest, "≥", 1.7),
            ("deliveries a second at saturation, × Node", fastest, "≥", 4.0),
            ("event + ack CPU, × Node", hub.ack_cpu_us / node.ack_cpu_us, "≤", 1.5),
        ]
        if hub.steady_ms and node.steady_ms:
            found.append(
                ("p99 at equal rate, × Node", hub.steady_ms[1] / node.steady_ms[1], "≤", 0.65)
            )
    if stock:
        least = min(stock.cpu_us[size] / hub.cpu_us[size] for size in plan.sizes)
        found.append(("deliveries per CPU second, × python-socketio", least, "≥", 8.0))
    return [
        f"{'met   ' if (value <= target) == (sign == '≤') else 'MISSED'} {what}:"
        f" {value:.2f} (target {sign} {target:g})"
        for what, value, sign, target in found
    ]


def as_json(figures: Mapping[str, Figures], plan: Plan) -> str:
    rows = {
        name: {
            "per_s": mine.per_s,
            "cpu_us": mine.cpu_us,
            "steady_ms": mine.steady_ms,
            "steady_cpu_us": mine.steady_cpu_us,
            "idle_bytes": mine.idle_bytes,
            "ack_cpu_us": mine.ack_cpu_us,
        }
        for name, mine in figures.items()
    }
    result = {"build": build(), "argv": sys.argv[1:], "rounds": plan.rounds, "servers": rows}
    return json.dumps(result, indent=1, ensure_ascii=False)


def draw(figures: Mapping[str, Figures], plan: Plan, target: Path) -> None:
    """Two charts of bars: deliveries a second, and what one costs."""
    charts = [
        ("Deliveries a second at saturation", {n: f.per_s for n, f in figures.items()}, "{:,.0f}"),
        ("Server CPU per delivery, µs", {n: f.cpu_us for n, f in figures.items()}, "{:.1f}"),
    ]
    rows = len(plan.sizes) * (len(figures) + 1)
    height = 40 + len(charts) * (rows * 16 + 44)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"',
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
    ]
    y = 24
    for title, values, form in charts:
        parts.append(f'<text x="12" y="{y}" font-size="15" font-weight="bold">{title}</text>')
        y += 20
        most = max(value for by_size in values.values() for value in by_size.values())
        for size in plan.sizes:
            parts.append(f'<text x="12" y="{y}">{size:,} sockets</text>')
            for name, by_size in values.items():
                parts.append(_bar(y, name, by_size[size], most, form))
                y += 16
            y += 16
        y += 24
    target.write_text("\n".join([*parts, "</svg>\n"]))


def _bar(y: int, name: str, value: float, most: float, form: str) -> str:
    width = max(1.0, 420 * value / most)
    return (
        f'<rect x="110" y="{y - 11}" width="{width:.0f}" height="13" '
        f'fill="{_COLOURS.get(name, "#495057")}"/>'
        f'<text x="{116 + width:.0f}" y="{y}">{form.format(value)} · {escape(name)}</text>'
    )
