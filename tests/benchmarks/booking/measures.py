"""What is measured of each server, and how the figures are put together."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import count
from pathlib import Path

MINUTES = 15
"""How long each booked appointment is; the starts of a calendar follow each other."""
WARM_UP = 800
"""Bookings before the first measurement: all calendars and patients are in memory then."""
WAITING_MAX = 2_000
"""Arrivals of an open loop that may wait for their answer; a server with more cannot keep up."""
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")

Book = Callable[[int, int], Awaitable[int]]
"""Book the n-th slot in so many calendars; the answer's status."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Clients that each send the next booking when the last one was answered."""

    calendars: int
    clients: int


@dataclass(frozen=True, slots=True)
class Open:
    """Bookings that arrive at random (Poisson), whether or not others were answered."""

    per_s: int
    calendars: int = 100


Load = Closed | Open


@dataclass(frozen=True, slots=True)
class Server:
    """A contestant that runs."""

    name: str
    pid: int
    book: Book
    database: Callable[[], tuple[float, int]] = lambda: (0.0, 0)
    """Processor seconds and bytes of write-ahead log so far, of a database server."""
    numbers: dict[int, Iterator[int]] = field(default_factory=dict)

    def next_number(self, calendars: int) -> int:
        return next(self.numbers.setdefault(calendars, count()))

    def costs(self) -> "Costs":
        wal_cpu_s, wal_bytes = self.database()
        written = Path(f"/proc/{self.pid}/io").read_text().split()
        return Costs(
            loop_us=_thread_s(self.pid, self.pid) * 1e6,
            cpu_us=sum(_thread_s(self.pid, thread) for thread in _threads(self.pid)) * 1e6,
            database_us=wal_cpu_s * 1e6,
            bytes=int(written[written.index("wchar:") + 1]),
            writes=int(written[written.index("syscw:") + 1]),
            wal_bytes=wal_bytes,
        )


@dataclass(frozen=True, slots=True)
class Costs:
    """Totals of a process, or what one booking took of them."""

    cpu_us: float
    """Processor time of all threads of the server itself."""
    loop_us: float
    """The part of it of the main thread, which runs the event loop."""
    database_us: float
    """Processor time of all processes of the database server, if there is one."""
    bytes: float
    """Given to write calls: sockets, log and, for SQLite, the database with its checkpoints."""
    writes: float
    """Write calls, as ``bytes``."""
    wal_bytes: float
    """Write-ahead log of the database server, if there is one."""

    def each(self, before: "Costs", bookings: int) -> "Costs":
        now, then = _values(self), _values(before)
        return Costs(**{name: (now[name] - then[name]) / bookings for name in now})


@dataclass(frozen=True, slots=True)
class Measured:
    per_s: float
    p50_ms: float
    p99_ms: float
    """Latencies: of an open loop since the scheduled arrival, else since the request."""
    costs: Costs


Figures = Mapping[str, Mapping[Load, Measured]]
"""By server. A load that a server cannot carry is missing."""


async def measure(
    servers: Sequence[Server], *, loads: Sequence[Load], rounds: int, seconds: float
) -> Figures:
    """Every server in turn, again and again; medians over the rounds."""
    for server in servers:
        await _warm_up(server)
    figures: dict[str, dict[Load, Measured]] = {server.name: {} for server in servers}
    for load in loads:
        taken: dict[str, list[Measured]] = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                if (measured := await _measured(server, load, seconds)) is not None:
                    taken[server.name].append(measured)
        for name, each in taken.items():
            if len(each) == rounds:
                figures[name][load] = median(each)
    return figures


async def _warm_up(server: Server) -> None:
    async def client() -> None:
        for _ in range(WARM_UP // 8):
            await _book(server, 100)

    await asyncio.gather(*(client() for _ in range(8)))


async def _measured(server: Server, load: Load, seconds: float) -> Measured | None:
    before, began = server.costs(), time.perf_counter()
    if isinstance(load, Closed):
        took: list[float] | None = await _closed(server, load, began + seconds)
    else:
        took = await _open(server, load, began, seconds)
    return None if took is None else summary(server, took, before, began)


def summary(server: Server, took_ms: Sequence[float], before: Costs, began: float) -> Measured:
    cuts = statistics.quantiles(took_ms, n=100)
    return Measured(
        per_s=len(took_ms) / (time.perf_counter() - began),
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        costs=server.costs().each(before, len(took_ms)),
    )


async def _closed(server: Server, load: Closed, end: float) -> list[float]:
    took: list[float] = []

    async def client() -> None:
        while (now := time.perf_counter()) < end:
            await _book(server, load.calendars)
            took.append((time.perf_counter() - now) * 1_000)

    await asyncio.gather(*(client() for _ in range(load.clients)))
    return took


async def _open(server: Server, load: Open, began: float, seconds: float) -> list[float] | None:
    """``None`` if the server does not keep up."""
    took: list[float] = []
    waiting: set[asyncio.Task[None]] = set()
    arrivals = random.Random(load.per_s)  # the same arrivals for every server

    async def arrival(at: float) -> None:
        await _book(server, load.calendars)
        took.append((time.perf_counter() - at) * 1_000)

    at = began
    while (at := at + arrivals.expovariate(load.per_s)) < began + seconds:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        if len(waiting) > WAITING_MAX:
            break
        task = asyncio.create_task(arrival(at))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    keeps_up = len(waiting) <= WAITING_MAX
    await asyncio.gather(*waiting)
    return took if keeps_up else None


async def _book(server: Server, calendars: int) -> None:
    status = await server.book(server.next_number(calendars), calendars)
    assert status == 201, f"{server.name} answered {status}"


def median(measured: Sequence[Measured]) -> Measured:
    costs = [_values(each.costs) for each in measured]
    return Measured(
        per_s=statistics.median(each.per_s for each in measured),
        p50_ms=statistics.median(each.p50_ms for each in measured),
        p99_ms=statistics.median(each.p99_ms for each in measured),
        costs=Costs(**{name: statistics.median(each[name] for each in costs) for name in costs[0]}),
    )


def _values(costs: Costs) -> dict[str, float]:
    return {each.name: getattr(costs, each.name) for each in fields(costs)}


# --- processes ------------------------------------------------------------------------


def process_s(pid: int) -> float:
    """Processor time of a process and of its children that have ended; 0 if it has ended, too."""
    try:
        own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, own[11:15])) * _TICKS_S


def children(pid: int) -> Sequence[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _threads(pid: int) -> Sequence[int]:
    return [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]


def _thread_s(pid: int, thread: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:  # it has ended meanwhile
        return 0.0
