"""``chairside backup``: copies the SQLite database while the hub runs."""

import argparse
from pathlib import Path

from hub.cli.common import CliError, add_config, configured_quietly, show
from hub.cli.progress import bar
from store.transfer.backup import CopyResult, backup

SUMMARY = "copy the SQLite database into a file, while the hub runs"
EXAMPLE = "chairside backup /backups/clinic-2027-03-08.db"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the copy; must not exist")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    config = configured_quietly(args.config)
    try:
        with bar(quiet=args.json) as progress:
            done = backup(config.database.url, args.file, lambda n, of: progress("pages", n, of))
    except OSError as error:
        raise CliError(str(error)) from None
    show(args, as_json(done), [f"{done.path}: {size(done)}, schema {done.schema}, sound."])
    return 0


def as_json(done: CopyResult) -> dict[str, object]:
    return {
        "file": str(done.path),
        "bytes": done.size_bytes,
        "schema": done.schema,
        "replaced": str(done.replaced) if done.replaced else None,
    }


def size(done: CopyResult) -> str:
    return f"{done.size_bytes / 1_000_000:.1f} MB"
