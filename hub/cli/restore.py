"""``chairside restore``: a backup in the database's place."""

import argparse
from pathlib import Path

from hub.cli.backup import as_json, size
from hub.cli.common import CliError, add_command, add_config, configured, log_only_warnings, show
from hub.cli.progress import bar
from hub.clock import SystemClock
from store.transfer.backup import restore


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_command(
        subparsers,
        "restore",
        _run,
        summary="put a backup in the SQLite database's place, while no hub runs",
        example="chairside restore /backups/clinic-2027-03-08.db",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `chairside backup` wrote")
    add_config(parser)


def _run(args: argparse.Namespace) -> int:
    config = configured(args.config)
    log_only_warnings(config)
    try:
        with bar(quiet=args.json) as tell:
            done = restore(
                config.database.url,
                args.file,
                now=SystemClock().now(),
                progress=lambda n, of: tell("pages", n, of),
            )
    except OSError as error:
        raise CliError(str(error)) from None
    lines = [f"{done.path} is restored: {size(done)}, schema {done.schema}."]
    if done.replaced:
        lines.append(f"What stood there is kept as {done.replaced}.")
    show(args, as_json(done), [*lines, "Clients will fetch anew; `chairside check` looks closer."])
    return 0
