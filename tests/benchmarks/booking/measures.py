"""What is measured of each server, and how the figures are put together."""

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

MINUTES = 15
"""How long each booked appointment is; the starts of a calendar follow each other."""
WARM_UP = 800
"""Bookings before the first measurement: all calendars and patients are in memory then."""
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")

Book = Callable[[int], Awaitable[int]]
"""Book the n-th slot; the answer's status."""


@dataclass(frozen=True, slots=True)
class Server:
    """A contestant that runs."""

    name: str
    pid: int
    book: Book
    numbers: Iterator[int] = field(default_factory=count)

    def cpu_s(self) -> float:
        """Processor time so far, of all threads of the server itself: no database server's."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICKS_S


@dataclass(frozen=True, slots=True)
class Measured:
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of the server for one booking."""


Figures = Mapping[str, Mapping[int, Measured]]
"""By server and number of clients."""


async def measure(
    servers: Sequence[Server], *, clients: Sequence[int], rounds: int, seconds: float
) -> Figures:
    """Every server in turn, again and again; medians over the rounds."""
    for server in servers:
        await _warm_up(server)
    figures: dict[str, dict[int, Measured]] = {server.name: {} for server in servers}
    for number in clients:
        taken: dict[str, list[Measured]] = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                taken[server.name].append(await _measured(server, number, seconds))
        for name, measured in taken.items():
            figures[name][number] = _median(measured)
    return figures


async def _warm_up(server: Server) -> None:
    async def client() -> None:
        for _ in range(WARM_UP // 8):
            await _book(server)

    await asyncio.gather(*(client() for _ in range(8)))


async def _measured(server: Server, clients: int, seconds: float) -> Measured:
    took: list[float] = []
    began, cpu_began = time.perf_counter(), server.cpu_s()

    async def client() -> None:
        while (now := time.perf_counter()) - began < seconds:
            await _book(server)
            took.append((time.perf_counter() - now) * 1_000)

    await asyncio.gather(*(client() for _ in range(clients)))
    cuts = statistics.quantiles(took, n=100)
    return Measured(
        per_s=len(took) / (time.perf_counter() - began),
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        cpu_us=(server.cpu_s() - cpu_began) / len(took) * 1e6,
    )


async def _book(server: Server) -> None:
    status = await server.book(next(server.numbers))
    assert status == 201, f"{server.name} answered {status}"


def _median(measured: Sequence[Measured]) -> Measured:
    return Measured(
        per_s=statistics.median(each.per_s for each in measured),
        p50_ms=statistics.median(each.p50_ms for each in measured),
        p99_ms=statistics.median(each.p99_ms for each in measured),
        cpu_us=statistics.median(each.cpu_us for each in measured),
    )
