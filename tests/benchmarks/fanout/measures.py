"""What is measured of each server, and how the figures are put together."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tests.benchmarks.fanout.contestants import Contestant, Server, running
from tests.benchmarks.fanout.script import dentist_of_room

IDLE_BASE: int = 200
"""Sockets that are there before the memory of the others is counted."""
WINDOW = 32
"""Events under way at saturation."""
PATIENCE_S = 10.0
"""Who takes longer to get through with what is under way is measured but once."""
RATE = 40.0
"""Events a second, for latencies at equal rate."""
SPARE = 1.1
"""A server without this much spare capacity is not measured for latency: its queue grows."""
COMMANDERS = 64
SHORTER = 4
"""Acks need no time to get going: as many more rounds, as much shorter, are fairer."""

Measured = TypeVar("Measured")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Sizes in sockets, times in seconds; every measurement is taken ``rounds`` times."""

    sizes: Sequence[int] = (200, 1_000, 4_000)
    rounds: int = 7
    seconds: float = 1.0
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
    return f"availability:dentist:{dentist_of_room(size)}"


def measure(contestants: Sequence[Contestant], plan: Plan) -> Mapping[str, Figures]:
    """Every server in turn, again and again; medians over the rounds."""
    cores = os.sched_getaffinity(0)
    with ExitStack() as stack:
        servers = [stack.enter_context(running(each)) for each in contestants]
        stack.callback(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, {max(cores)})
        figures = {server.name: Figures(idle_bytes=_filled(server, plan)) for server in servers}
        for size in plan.sizes:
            _saturate(servers, size, plan, figures)
        _steady(servers, plan, figures)
        acked = _in_turns(servers, SHORTER * plan.rounds, lambda server: _acked(server, plan))
        for name, costs in acked.items():
            figures[name].ack_cpu_us = statistics.median(costs)
    return figures


def _in_turns(
    servers: Sequence[Server], rounds: int, measured: Callable[[Server], Measured]
) -> Mapping[str, list[Measured]]:
    """Machines are faster now and slower then, so the servers take turns in rounds."""
    found: dict[str, list[Measured]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            with _named(server):
                found[server.name].append(measured(server))
    return found


@contextmanager
def _named(server: Server) -> Iterator[None]:
    """Whose failure it is, if there is one."""
    try:
        yield
    except (OSError, RuntimeError) as failure:
        failure.add_note(f"It was {server.name}.")
        raise


def _saturate(
    servers: Sequence[Server], size: int, plan: Plan, figures: Mapping[str, Figures]
) -> None:
    rounds: dict[str, list[tuple[float, float]]] = {server.name: [] for server in servers}
    slow: set[str] = set()
    for _ in range(plan.rounds):
        for server in servers:
            if server.name not in slow:
                began = time.monotonic()
                with _named(server):
                    rounds[server.name].append(_saturated(server, size, plan.seconds))
                if time.monotonic() - began > PATIENCE_S:
                    slow.add(server.name)
    for name, measured in rounds.items():
        figures[name].per_s[size] = statistics.median(per_s for per_s, _ in measured)
        figures[name].cpu_us[size] = statistics.median(cpu_us for _, cpu_us in measured)


def _filled(server: Server, plan: Plan) -> float:
    """Connect all sockets; the memory of an idle one."""
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
    server.crowd.frame_bytes(room(size), size)
    began = server.cpu_s()
    counted, all_of_them = server.crowd.saturate(room(size), size, seconds, window=WINDOW)
    return counted / seconds, (server.cpu_s() - began) / all_of_them * 1e6


def _steady(servers: Sequence[Server], plan: Plan, figures: Mapping[str, Figures]) -> None:
    size = plan.steady_size

    def once(server: Server) -> tuple[float, float, float]:
        """p50, p99, and the processor time of a delivery."""
        began = server.cpu_s()
        took = server.crowd.latencies_ms(room(size), size, RATE, plan.seconds)
        cpu_us = (server.cpu_s() - began) / (RATE * plan.seconds * size) * 1e6
        cuts = statistics.quantiles(took, n=100)
        return cuts[49], cuts[98], cpu_us

    able = [each for each in servers if figures[each.name].per_s[size] > SPARE * RATE * size]
    for name, rounds in _in_turns(able, plan.rounds, once).items():
        p50, p99, cpu_us = map(statistics.median, zip(*rounds, strict=True))
        figures[name].steady_ms, figures[name].steady_cpu_us = (p50, p99), cpu_us


def _acked(server: Server, plan: Plan) -> float:
    began = server.cpu_s()
    answered = server.crowd.acks(min(COMMANDERS, max(plan.sizes)), plan.seconds / SHORTER)
    return (server.cpu_s() - began) / answered * 1e6
