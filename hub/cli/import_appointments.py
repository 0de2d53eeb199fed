"""``chairside import-appointments``: enters the visits of another program."""

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp

from actors.domain.refusals import ValidationFailed
from api.tables.headings import visit_columns
from api.tables.reading import Table, TableRow, read_table
from chairside.client import ClientError, HubClient
from hub.cli.common import CliError, run_async, show
from hub.cli.desk_access import DeskAccess, add_desk_access, desk_access
from hub.cli.progress import OnProgress, bar
from hub.clock import SystemClock
from hub.visits.entering import Entering, PracticeNames
from hub.visits.rows import RefusedRow, visit_row

SUMMARY = "enter the visits of a CSV file: past ones as history, others as bookings"
EXAMPLE = "chairside import-appointments visits.csv --dry-run"
_NEEDED = ("patient", "date")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the CSV file")
    parser.add_argument(
        "--dry-run", action="store_true", help="only report which rows would be entered"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=HEADING",
        help="the column of a field whose heading is not recognised; repeatable",
    )
    parser.add_argument(
        "--type", default="", metavar="NAME", help="the appointment type of rows without one"
    )
    add_desk_access(parser)


@dataclass(kw_only=True, slots=True)
class _Report:
    dry_run: bool
    rows: int = 0
    created: int = 0
    known: int = 0
    refused: int = 0
    lines: list[dict[str, object]] = field(default_factory=list)


def run(args: argparse.Namespace) -> int:
    """Returns 0 if no row was refused."""
    access = desk_access(args, os.environ)
    try:
        data = args.file.read_bytes()
        mapped = dict(each.split("=", 1) for each in args.map)
        table = read_table(data, lambda headings: visit_columns(headings, mapped))
        rows = list(table.rows())
    except OSError as error:
        raise CliError(str(error)) from None
    except ValueError:
        raise CliError("--map must be FIELD=HEADING") from None
    except ValidationFailed as error:
        raise CliError(f"{args.file} {error.details[0].message}") from None
    _check(table)
    with bar(quiet=args.json) as progress:
        try:
            report = run_async(_import(args, access, rows, progress))
        except ClientError as error:
            raise CliError(f"{access.url}: {error}") from None
    show(args, asdict(report), _lines(report, table.columns))
    return 1 if report.refused else 0


def _check(table: Table) -> None:
    if missing := [each for each in _NEEDED if each not in table.fields]:
        shown = ", ".join(table.headings[:20])
        raise CliError(f"no column {missing[0]} was recognised among: {shown}; name it with --map")


async def _import(
    args: argparse.Namespace, access: DeskAccess, rows: list[TableRow], progress: OnProgress
) -> _Report:
    report = _Report(dry_run=args.dry_run)
    async with aiohttp.ClientSession() as session:
        hub = HubClient(access.url, token=access.token, session=session)
        names = await PracticeNames.read(hub)
        entering = Entering(
            hub=hub,
            names=names,
            now=SystemClock().now(),
            default_type=args.type,
            dry_run=args.dry_run,
        )
        for row in rows:
            report.rows += 1
            try:
                is_new = await entering.enter(visit_row(row, names.region))
            except RefusedRow as error:
                report.refused += 1
                line = {"line": row.line, "field": error.field, "message": str(error)}
                report.lines.append(line)
            else:
                report.created += is_new
                report.known += not is_new
            progress("visits", report.rows, len(rows))
    return report


def _lines(report: _Report, columns: Mapping[str, str]) -> Iterator[str]:
    named = ", ".join(f"{heading} ({name})" for name, heading in columns.items())
    yield f"Columns: {named}."
    for line in report.lines:
        yield f"  line {line['line']}: refused: {line['field']}: {line['message']}"
    entered = "would be entered" if report.dry_run else "entered"
    yield (
        f"{report.rows:,} rows: {report.created:,} {entered},"
        f" {report.known:,} known already, {report.refused:,} refused."
    )
