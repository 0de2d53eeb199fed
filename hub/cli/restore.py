"""``chairside restore``: replaces the SQLite database by a backup."""

import argparse
from pathlib import Path

from hub.cli.backup import as_json, size
from hub.cli.common import CliError, add_config, configured_quietly, show
from hub.cli.progress import bar
from hub.clock import SystemClock
from store.transfer.backup import restore

SUMMARY = "replace the SQLite database by a backup, while no hub runs"
EXAMPLE = "chairside restore /backups/clinic-2027-03-08.db"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a file of `chairside backup`")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    config = configured_quietly(args.config)
    try:
        with bar(quiet=args.json) as show_progress:
            done = restore(
                config.database.url,
                args.file,
                now=SystemClock().now(),
                progress=lambda n, of: show_progress("pages", n, of),
            )
    except OSError as error:
        raise CliError(str(error)) from None
    lines = [f"{done.path} is restored: {size(done)}, schema {done.schema}."]
    if done.replaced:
        lines.append(f"The database that was there is kept as {done.replaced}.")
    show(
        args,
        as_json(done),
        [*lines, "Clients will fetch everything again. `chairside check` verifies the data."],
    )
    return 0
