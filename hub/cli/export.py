"""``chairside export``: writes the whole clinic as JSON lines, for another engine or tool."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.cli.common import CliError, add_config, configured_quietly, show
from hub.cli.progress import bar
from hub.clock import SystemClock
from hub.config import Config
from store.transfer.exporting import DumpSummary, export, reopen

_OWNER_ONLY = 0o600


SUMMARY = "write the whole clinic as JSON lines, from either engine"
EXAMPLE = "chairside export clinic.jsonl\n  chairside export | gzip > clinic.jsonl.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="a new file; default: standard output",
    )
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument(
        "--seal",
        action="store_true",
        help="no hub can start on this database again, so `import --move` keeps the positions"
        " of all clients",
    )
    ending.add_argument(
        "--unseal", action="store_true", help="reopen a sealed database, and write nothing"
    )
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    config = configured_quietly(args.config)
    url, now = admin_url(config), SystemClock().now()
    if args.unseal:
        reopen(url, now=now)
        show(
            args,
            {"sealed": False},
            ["The database is open again. Clients will fetch everything again."],
        )
        return 0
    if args.file is None and args.json:
        raise CliError("standard output cannot hold both the dump and JSON: name a FILE")
    with new_file(args.file) as out, bar(quiet=args.json) as progress:
        done = export(url, out, now=now, sealing=args.seal, progress=progress)
    lines = [*summary(done, "exported"), *(["The database is sealed."] if done.sealed else [])]
    if args.file is None:
        print("\n".join(lines), file=sys.stderr)
    else:
        show(args, as_json(done), lines)
    return 0


def admin_url(config: Config) -> str:
    """The login that may read everything: on PostgreSQL, that of the migrations."""
    return config.database.migrate_url or config.database.url


def as_json(done: DumpSummary) -> dict[str, object]:
    return {
        "schema": done.schema,
        "sealed": done.sealed,
        "rows": done.rows,
        "total": sum(done.rows.values()),
        "sha256": done.sha256,
    }


def summary(done: DumpSummary, what: str) -> Iterator[str]:
    width = max(map(len, done.rows))
    for table, count in done.rows.items():
        yield f"  {table:<{width}}  {count:>10,}"
    yield f"{sum(done.rows.values()):,} rows {what}, schema {done.schema}."
    yield f"sha256 of the rows: {done.sha256}"


@contextmanager
def new_file(path: Path | None) -> Iterator[BinaryIO]:
    """A new file that only its owner may read, written as a whole; or standard output."""
    if path is None:
        yield sys.stdout.buffer
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        if path.exists():
            raise FileExistsError(f"{path} exists already")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise CliError(str(error)) from None
    finally:
        draft.unlink(missing_ok=True)
