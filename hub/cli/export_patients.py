"""``chairside export-patients``: writes the patients of a practice as a CSV file."""

import argparse
import os
from pathlib import Path
from typing import BinaryIO

from hub.cli.common import CliError, run_async, show
from hub.cli.desk_access import DeskAccess, add_desk_access, desk_access
from hub.cli.export import new_file

SUMMARY = "write the patients of the practice as a CSV file, which `import-patients` reads"
EXAMPLE = "chairside export-patients patients.csv"
_CHUNK_BYTES = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="a new file; default: standard output"
    )
    add_desk_access(parser)


def run(args: argparse.Namespace) -> int:
    if args.file is None and args.json:
        raise CliError("standard output cannot hold both the patients and JSON: name a FILE")
    access = desk_access(args, os.environ)
    with new_file(args.file) as out:
        size = run_async(_export(access, out))
    if args.file is not None:
        show(args, {"file": str(args.file), "bytes": size}, [f"{args.file}: {size:,} bytes."])
    return 0


async def _export(access: DeskAccess, out: BinaryIO) -> int:
    size = 0
    async with access.request("GET", "/api/exports") as response:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += out.write(chunk)
    out.flush()
    return size
