"""``chairside import-patients``: enters the patients of a CSV file at a practice."""

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.cli.common import CliError, run_async, show
from hub.cli.desk_access import DeskAccess, add_desk_access, desk_access, json_or_none, refused
from hub.cli.progress import OnProgress, bar

SUMMARY = "enter the patients of a CSV file at the practice, while the hub runs"
EXAMPLE = (
    "chairside import-patients patients.csv --dry-run\n"
    '  chairside import-patients patients.csv --map "phone=Tel. privat"'
)
_LISTED = 50
"""Lines of the report that are printed; with ``--json`` all are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the CSV file")
    parser.add_argument("--dry-run", action="store_true", help="only report what would be entered")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=HEADING",
        help="the column of a field whose heading is not recognised; repeatable",
    )
    parser.add_argument(
        "--shared-contacts",
        action="store_true",
        help="enter people of one telephone number or e-mail address, such as families",
    )
    parser.add_argument("--encoding", metavar="NAME", help="default: recognised")
    parser.add_argument("--delimiter", metavar="NAME", help="default: recognised")
    add_desk_access(parser)


def run(args: argparse.Namespace) -> int:
    """Returns 0 if no row was refused."""
    access = desk_access(args, os.environ)
    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise CliError(str(error)) from None
    with bar(quiet=args.json) as progress:
        report = run_async(_import(access, _query(args), data, progress))
    show(args, report, _lines(report))
    return 1 if report["refused"] else 0


def _query(args: argparse.Namespace) -> list[tuple[str, str]]:
    query = [("map", each) for each in args.map]
    query += [(name, "true") for name in ("dry_run", "shared_contacts") if getattr(args, name)]
    return query + [
        (name, value) for name in ("encoding", "delimiter") if (value := getattr(args, name))
    ]


async def _import(
    access: DeskAccess, query: list[tuple[str, str]], data: bytes, progress: OnProgress
) -> Mapping[str, Any]:
    headers = {"Content-Type": "text/csv", "Accept": "application/x-ndjson"}
    async with access.request(
        "POST", "/api/imports", params=query, data=data, headers=headers
    ) as response:
        async for text in response.content:
            line = json_or_none(text)
            if not isinstance(line, Mapping) or "error" in line:
                raise refused(line)
            if "report" in line:
                report: Mapping[str, Any] = line["report"]
                return report
            progress("patients", line["progress"]["rows"], line["progress"]["total"])
    raise CliError("the hub ended the import early: repeat it, it goes on from there")


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    columns = ", ".join(f"{heading} ({field})" for field, heading in report["columns"].items())
    yield f"Columns: {columns}; {report['encoding']}, {report['delimiter']}."
    if report["ignored_columns"]:
        yield f"Not used: {', '.join(report['ignored_columns'])}."
    for line in report["lines"][:_LISTED]:
        yield f"  line {line['line']}: {line['outcome']}: {line['field']}: {line['message']}"
    if left_out := len(report["lines"][_LISTED:]) + report["lines_left_out"]:
        yield f"  … and {left_out:,} more"
    entered = "would be entered" if report["dry_run"] else "entered"
    yield (
        f"{report['rows']:,} rows: {report['created']:,} {entered},"
        f" {report['known']:,} known already, {report['refused']:,} refused."
    )
