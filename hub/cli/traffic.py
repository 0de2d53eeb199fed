"""``chairside traffic``: simulates the users of a running hub, and audits the result."""

import argparse
import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from chairside.client import ClientError
from chairside.traffic.context import SimulationPlan
from chairside.traffic.links import LinksError, read_links
from chairside.traffic.report import as_json, as_table, show_progress
from chairside.traffic.simulation import Simulation, SimulationResult
from hub.cli.common import CliError, run_async

PLAIN_WIDTH = 120
"""Columns where there is no terminal."""

DEFAULT_LINKS = Path("var/links.json")


SUMMARY = "drive a running hub with simulated patients, dentists and chatbots"
EXAMPLE = "chairside traffic http://127.0.0.1:8080 --seconds 30 --patients 100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="address of the hub")
    parser.add_argument(
        "--links",
        type=Path,
        default=DEFAULT_LINKS,
        metavar="FILE",
        help=f"people and tokens, as `chairside demo` writes them; default: {DEFAULT_LINKS}",
    )
    parser.add_argument(
        "--seconds",
        type=_between(1, 3600),
        default=30,
        metavar="N",
        help="duration; default: 30, plus the time to connect and for the audit",
    )
    parser.add_argument(
        "--patients",
        type=_between(1, 1000),
        default=100,
        metavar="N",
        help="number of patients of the links that take part; default: 100",
    )


def run(args: argparse.Namespace) -> int:
    """Returns 0 only if no appointments overlap, no event was lost and no request failed."""
    try:
        plan = SimulationPlan(
            url=args.url.rstrip("/"),
            links=read_links(args.links),
            seconds=args.seconds,
            patients=args.patients,
        )
        result = run_async(_watched(Simulation(plan), quiet=args.json))
    except LinksError as error:
        raise CliError(str(error)) from None
    except ClientError as error:
        raise CliError(f"{args.url}: {error}") from None
    if args.json:
        print(json.dumps(as_json(result), indent=2))
    else:
        _console().print(as_table(result))
    return 1 if result.problems else 0


async def _watched(simulation: Simulation, *, quiet: bool) -> SimulationResult:
    if quiet:
        return await simulation.run()
    progress = asyncio.create_task(show_progress(simulation, _console()))
    try:
        return await simulation.run()
    finally:
        progress.cancel()
        await asyncio.gather(progress, return_exceptions=True)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def _between(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"a number from {least} to {most}")
        return value

    return number
