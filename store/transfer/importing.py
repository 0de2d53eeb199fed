"""``chairside import``: reads a whole dump into an empty database, or nothing of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

import orjson
from sqlalchemy import Connection, Table, delete, func, insert, select, text

from actors.domain.zones import zone_names
from store.migrations.migrate import check_schema
from store.sql.schema import audit_log, calendars, event_log, hub, idempotency_keys
from store.transfer.dump import (
    LINE_BYTES_MAX,
    TABLES,
    Header,
    Progress,
    Tally,
    UnusableDump,
    columns_of,
    decode_row,
)
from store.transfer.exporting import DumpSummary, alone_with
from store.transfer.maintenance import raise_epoch, writing

_ROWS_AT_ONCE = 500


class DatabaseNotEmpty(Exception):
    """The database is in use already; the message names a table that has rows."""


def import_(
    url: str, source: BinaryIO, *, now: datetime, move: bool, progress: Progress
) -> DumpSummary:
    """Read a dump into a database that was migrated and never used, in one transaction.

    Positions of clients are lost, as after a restore, unless ``move``: then the dump must be of
    a sealed database, which accepts no more writes. Raises UnusableDump,
    DatabaseNotEmpty, SchemaTooOld, SchemaTooNew, DatabaseInUse, StoreUnavailable.
    """
    header = _header(source, check_schema(url))
    if move and not header.sealed:
        raise UnusableDump(
            "only a dump of a sealed database can be moved: make it with `chairside export --seal`"
        )

    def work(connection: Connection) -> DumpSummary:
        _refuse_used(connection)
        connection.execute(delete(hub))  # its one row comes with the dump
        tally = _read_rows(connection, source, header, progress)
        if not move:
            raise_epoch(connection, int(now.timestamp()))
        _continue_sequences(connection)
        return DumpSummary(
            schema=header.schema, sealed=header.sealed, rows=tally.rows, sha256=tally.sha256
        )

    with alone_with(url):
        return writing(url, work)


def _header(source: BinaryIO, schema: str) -> Header:
    header = Header.decode(_next_line(source))
    if header.schema != schema:
        raise UnusableDump(
            f"the dump has schema {header.schema}, the database {schema}: "
            "use the version of Chairside that wrote it, then migrate"
        )
    if dict(header.columns) != {table.name: columns_of(table) for table in TABLES}:
        raise UnusableDump("the dump has other tables or columns than this version of Chairside")
    return header


def _refuse_used(connection: Connection) -> None:
    for table in TABLES:
        if table is not hub and connection.scalar(select(func.count()).select_from(table)):
            raise DatabaseNotEmpty(
                f"the database is not empty (it has {table.name}): import into a new one"
            )


def _read_rows(
    connection: Connection, source: BinaryIO, header: Header, progress: Progress
) -> Tally:
    tally = Tally(rows=dict.fromkeys((table.name for table in TABLES), 0))
    tables = {table.name: table for table in TABLES}
    batch: list[dict[str, object]] = []
    current: Table = TABLES[0]
    while isinstance(content := _loaded(line := _next_line(source)), list):
        table = tables.get(content[0]) if content else None
        if table is None:
            raise UnusableDump(f"line {tally.total + 2} belongs to no known table")
        if table is not current or len(batch) == _ROWS_AT_ONCE:
            _insert(connection, current, batch)
            progress(current.name, tally.total, header.total)
            batch, current = [], table
        batch.append(_with_known_zone(table, decode_row(table, content[1:])))
        tally.add(table.name, line)
    _insert(connection, current, batch)
    progress(current.name, tally.total, header.total)
    _check_end(content, tally, header)
    if source.read(1):
        raise UnusableDump("something follows the end of the dump")
    return tally


def _with_known_zone(table: Table, row: dict[str, object]) -> dict[str, object]:
    """The row. Raises UnusableDump for a zone that means another one on each machine."""
    zone = row.get("time_zone")
    if table is calendars:
        schedule = _loaded(str(row["schedule"]).encode())
        zone = schedule.get("time_zone") if isinstance(schedule, dict) else None
    if zone is not None and zone not in zone_names():
        raise UnusableDump(f"a row of {table.name} has the unknown time zone {zone!r:.80}")
    return row


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _check_end(content: object, tally: Tally, header: Header) -> None:
    if not isinstance(content, dict) or not content.get("end"):
        raise UnusableDump("the dump has no end")
    if content.get("sha256") != tally.sha256:
        raise UnusableDump("the checksum does not fit: the dump is damaged")
    if not content.get("rows") == tally.rows == dict(header.rows):
        raise UnusableDump("the counts do not fit: the dump is damaged")


def _next_line(source: BinaryIO) -> bytes:
    line = source.readline(LINE_BYTES_MAX)
    if not line.endswith(b"\n"):
        raise UnusableDump("the dump is cut off, or is none")
    return line


def _loaded(line: bytes) -> object:
    try:
        content: object = orjson.loads(line)
        return content
    except orjson.JSONDecodeError as error:
        raise UnusableDump("the dump is damaged: a line cannot be read") from error


def _continue_sequences(connection: Connection) -> None:
    """Generated keys continue after those of the dump."""
    if connection.dialect.name == "postgresql":
        for table in (audit_log, event_log, idempotency_keys):
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'),"  # noqa: S608  # our own names
                    f" (SELECT coalesce(max(id), 0) + 1 FROM {table.name}), false)"
                )
            )
