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
from tests.benchmarks.booking.contestants import ALL, Contestant, Surroundings, all_cores
from tests.benchmarks.booking.measures import Figures, measure
from tests.benchmarks.fanout.report import build


def main() -> None:
    options = _options()
    print(build(), flush=True)
    chosen = [ALL[name] for name in options.servers]
    figures = asyncio.run(_measure(chosen, options))
    print(report.table(figures, options.clients))
    if {report.MANY, report.SOME} <= set(options.clients):
        print("\n".join(report.verdicts(figures)))


async def _measure(chosen: Sequence[Contestant], options: argparse.Namespace) -> Figures:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        around = Surroundings(folder, session)
        servers = [await stack.enter_async_context(each.start(around)) for each in chosen]
        stack.callback(os.sched_setaffinity, 0, all_cores())
        os.sched_setaffinity(0, {max(all_cores())})
        return await measure(
            servers, clients=options.clients, rounds=options.rounds, seconds=options.seconds
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--servers", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--clients", type=int, nargs="+", default=[1, report.SOME, report.MANY])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
