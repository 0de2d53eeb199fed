"""What is measured of each server, and how the figures are put together."""

import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.benchmarks.fanout.contestants import Contestant, Server, running

IDLE_BASE: int = 200
"""Sockets that are there before the memory of the others is counted."""
WINDOW = 32
"""Events under way at saturation."""
RATE = 40.0
"""Events a second, for latencies at equal rate."""
ASKERS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Sizes in sockets, times in seconds; every measurement is taken ``rounds`` times."""

    sizes: Sequence[int] = (200, 1_000, 4_000)
    rounds: int = 3
    seconds: float = 2.0
    steady_size: int = 1_000


@dataclass(slots=True)
class Figures:
    """Of one server: by room size, and of all."""

    per_s: dict[int, float] = field(default_factory=dict)
    """Deliveries a second at saturation."""
    cpu_us: dict[int, float] = field(default_factory=dict)
    """Processor time of a delivery at saturation."""
    steady_ms: tuple[float, float] | None = None
    """p50 and p99 at ``RATE`` events a second; none: it does not get that far."""
    steady_cpu_us: float = 0.0
    idle_bytes: float = 0.0
    ack_cpu_us: float = 0.0


def room(size: int) -> str:
    return f"availability:dentist:10000000-0000-7000-8000-{size:012}"


def measure(contestants: Sequence[Contestant], plan: Plan) -> Mapping[str, Figures]:
    """Every server in turn, again and again; medians over the rounds."""
    cores = os.sched_getaffinity(0)
    with ExitStack() as stack:
        servers = [stack.enter_context(running(each)) for each in contestants]
        stack.callback(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, {max(cores)})
        figures = {server.name: Figures(idle_bytes=_filled(server, plan)) for server in servers}
        for size in plan.sizes:
            rounds = [
                {each.name: _saturated(each, size, plan.seconds) for each in servers}
                for _ in range(plan.rounds)
            ]
            for name, mine in figures.items():
                mine.per_s[size] = statistics.median(r[name][0] for r in rounds)
                mine.cpu_us[size] = statistics.median(r[name][1] for r in rounds)
        for server in servers:
            mine = figures[server.name]
            if mine.per_s[plan.steady_size] > 1.2 * RATE * plan.steady_size:
                _steady(server, plan, mine)
        for server in servers:
            figures[server.name].ack_cpu_us = statistics.median(
                _acked(server, plan) for _ in range(plan.rounds)
            )
    return figures


def _filled(server: Server, plan: Plan) -> float:
    """Connect everybody; the memory of a socket that does nothing."""
    most = max(plan.sizes)
    base = min(IDLE_BASE, most // 2)
    server.crowd.connect(base)
    before = server.memory_bytes()
    server.crowd.connect(most - base)
    idle = (server.memory_bytes() - before) / (most - base)
    for size in plan.sizes:
        server.crowd.join(room(size), size)
    return idle


def _saturated(server: Server, size: int, seconds: float) -> tuple[float, float]:
    """Deliveries a second, and the processor time of each in µs."""
    server.crowd.saturate(room(size), size, seconds / 4, window=WINDOW)
    began = server.cpu_s()
    counted, all_of_them = server.crowd.saturate(room(size), size, seconds, window=WINDOW)
    return counted / seconds, (server.cpu_s() - began) / all_of_them * 1e6


def _steady(server: Server, plan: Plan, mine: Figures) -> None:
    size = plan.steady_size
    percentiles, costs = [], []
    for _ in range(plan.rounds):
        began = server.cpu_s()
        took = server.crowd.latencies_ms(room(size), RATE, plan.seconds)
        costs.append((server.cpu_s() - began) / len(took) * 1e6)
        cuts = statistics.quantiles(took, n=100)
        percentiles.append((cuts[49], cuts[98]))
    mine.steady_ms = (
        statistics.median(p50 for p50, _ in percentiles),
        statistics.median(p99 for _, p99 in percentiles),
    )
    mine.steady_cpu_us = statistics.median(costs)


def _acked(server: Server, plan: Plan) -> float:
    began = server.cpu_s()
    answered = server.crowd.acks(min(ASKERS, max(plan.sizes)), plan.seconds)
    return (server.cpu_s() - began) / answered * 1e6
