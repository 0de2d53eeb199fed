"""Complete bookings over HTTP, beside a typical server and a bare handler.

Run by hand: ``make bench-booking``. Each server runs in a process of its own on one core, the
clients on another, and the measurements take turns, so that only ratios count. A booking of
the hub is all of it: token, validation, idempotency key, overlap guards, events, reply, audit,
one durable commit, and the broadcast to an empty channel. See ``docs/performance.md``.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.benchmarks.booking import report
from tests.benchmarks.booking.calendars import measure_calendars
from tests.benchmarks.booking.contestants import ALL, Contestant, Surroundings, all_cores
from tests.benchmarks.booking.measures import Closed, Load, Open, measure
from tests.benchmarks.booking.pages import count_pages
from tests.benchmarks.booking.report import Results
from tests.benchmarks.booking.sockets import over_sockets
from tests.benchmarks.fanout.report import build

ROWS = 100_000
"""Appointments of the clinic in which pages are counted."""
PARTS = ("servers", "sockets", "calendars", "pages")


def main() -> None:
    options = _options()
    print(build(), flush=True)
    chosen = [ALL[name] for name in options.servers]
    results = asyncio.run(_measure(chosen, options))
    print("\n\n".join(report.tables(results)))
    print("\n".join(report.verdicts(results)))
    if options.plot:
        report.draw(results, options.plot)
    if options.json:
        options.json.write_text(report.as_json(results))


async def _measure(chosen: Sequence[Contestant], options: argparse.Namespace) -> Results:
    results = Results()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        around = Surroundings(folder, session)
        stack.callback(os.sched_setaffinity, 0, all_cores())
        os.sched_setaffinity(0, {max(all_cores())})
        if "servers" in options.parts:
            async with AsyncExitStack() as running:
                servers = [await running.enter_async_context(each.start(around)) for each in chosen]
                results.servers = await measure(
                    servers, loads=_loads(options), rounds=options.rounds, seconds=options.seconds
                )
        if "sockets" in options.parts:
            results.sockets = await over_sockets(
                around, rounds=options.rounds, seconds=options.seconds
            )
        if "calendars" in options.parts:
            results.calendars = await measure_calendars(around)
        if "pages" in options.parts:
            alone, together = await count_pages(folder, rows=ROWS, sizes=[(1, 200), (64, 10)])
            results.pages = {1: alone, 64: together}
    return results


def _loads(options: argparse.Namespace) -> Sequence[Load]:
    return (
        *(Closed(calendars=100, clients=number) for number in options.clients),
        *(Closed(calendars=number, clients=max(options.clients)) for number in (3, 1)),
        *(Open(per_s=rate) for rate in options.rates),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--servers", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, report.MANY])
    parser.add_argument("--rates", type=int, nargs="*", default=list(report.RATES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--plot", type=Path, help="an SVG to be drawn")
    parser.add_argument("--json", type=Path, help="where the figures are written, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
