"""``chairside traffic``: simulates the users of a running hub, and audits the result."""

import argparse
import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from actors.domain.principal import Role
from api.auth import issue_token
from chairside.client import ClientError
from chairside.traffic.context import SimulationPlan
from chairside.traffic.founding import PATIENTS, PracticePlan, found_practice
from chairside.traffic.links import LinksError, read_links
from chairside.traffic.report import as_json, as_table, show_progress
from chairside.traffic.simulation import Simulation, SimulationResult
from hub.cli.common import CliError, run_async
from hub.clock import SystemClock
from hub.demo.demo import TOKEN_LIFE

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
        metavar="N",
        help="number of patients of the links that take part; default: 100, of a practice 200",
    )
    parser.add_argument(
        "--practice",
        action="store_true",
        help="a day of a practice of its own: 6 dentists, 2 front desks, 200 patients, a chatbot,"
        " and the desk of another practice, which must see nothing; what is missing is created",
    )


def run(args: argparse.Namespace) -> int:
    """Returns 0 only if no appointments overlap, no event was lost, no request failed, and nothing
    was shown to someone who may not see it.
    """
    try:
        result = run_async(_simulated(args))
    except LinksError as error:
        raise CliError(str(error)) from None
    except ClientError as error:
        raise CliError(f"{args.url}: {error}") from None
    if args.json:
        print(json.dumps(as_json(result), indent=2))
    else:
        _console().print(as_table(result))
    return 1 if result.problems else 0


async def _simulated(args: argparse.Namespace) -> SimulationResult:
    url, patients = args.url.rstrip("/"), args.patients or (PATIENTS if args.practice else 100)
    if args.practice:
        issue = partial(_token, _secret(args.links))
        links = await found_practice(PracticePlan(url=url, issue=issue, patients=patients))
    else:
        links = read_links(args.links)
    plan = SimulationPlan(url=url, links=links, seconds=args.seconds, patients=patients)
    return await _watched(Simulation(plan), quiet=args.json)


def _secret(links: Path) -> str:
    """The key of a demo clinic, which is beside its links."""
    path = links.with_name("secret")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        raise LinksError(
            f"cannot read {path}: --practice enters people in a demo clinic (`chairside demo`)"
        ) from None


def _token(secret: str, role: str, subject: str) -> str:
    now = SystemClock().now()
    return issue_token(secret, subject=subject, role=Role(role), now=now, ttl=TOKEN_LIFE)


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
