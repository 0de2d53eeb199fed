"""``chairside import``: reads a dump into an empty database of either engine."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.cli.common import CliError, add_config, configured_quietly, show
from hub.cli.export import admin_url, as_json, summary
from hub.cli.progress import bar
from hub.clock import SystemClock
from store.transfer.importing import import_

SUMMARY = "read a dump of `chairside export` into an empty, migrated database"
EXAMPLE = "chairside migrate && chairside import clinic.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the dump; - is standard input")
    parser.add_argument(
        "--move",
        action="store_true",
        help="the source of the dump is sealed: clients keep their positions",
    )
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    config = configured_quietly(args.config)
    with _input(args.file) as source, bar(quiet=args.json) as progress:
        done = import_(
            admin_url(config), source, now=SystemClock().now(), move=args.move, progress=progress
        )
    positions = "keep their positions" if args.move else "will fetch everything again"
    show(args, as_json(done), [*summary(done, "imported"), f"Clients {positions}."])
    return 0


@contextmanager
def _input(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise CliError(str(error)) from None
