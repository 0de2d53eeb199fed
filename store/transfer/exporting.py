"""``chairside export``: writes a dump that every engine can read, in bounded memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import Connection, Table, func, select

from store.migrations.migrate import check_revision
from store.migrations.seal import revision_of, seal, unseal, without_seal
from store.sql.lockfile import exclusive
from store.sql.url import is_postgresql, parse_url, sqlite_path
from store.transfer.dump import (
    TABLES,
    Header,
    Progress,
    Tally,
    columns_of,
    encode_row,
    order_of,
    rows_of,
)
from store.transfer.maintenance import raise_epoch, reading, writing

_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DumpSummary:
    """What a dump that was written or read contains."""

    schema: str
    sealed: bool
    rows: dict[str, int]
    sha256: str


def export(
    url: str, out: BinaryIO, *, now: datetime, sealing: bool, progress: Progress
) -> DumpSummary:
    """Write everything as of one instant. A hub may run meanwhile, unless ``sealing``.

    ``sealing`` marks the database first, so that no hub starts on it again; if the dump fails,
    the seal is removed. Raises SchemaTooOld, SchemaTooNew, StoreUnavailable, and with
    ``sealing`` DatabaseInUse.
    """
    with ExitStack() as stack:
        if sealing:
            stack.enter_context(alone_with(url))
            stack.enter_context(_sealed(url))
        return reading(url, lambda connection: _write(connection, out, now, sealing, progress))


def reopen(url: str, *, now: datetime) -> None:
    """Remove a seal, so that the clinic can go on here.

    Positions are lost, because another database may have continued from them.
    """

    def work(connection: Connection) -> None:
        unseal(connection)
        raise_epoch(connection, int(now.timestamp()))

    with alone_with(url):
        writing(url, work)


def alone_with(url: str) -> AbstractContextManager[None]:
    """Lock a SQLite database, so that no hub runs on it. Raises DatabaseInUse."""
    parsed = parse_url(url)
    return nullcontext() if is_postgresql(parsed) else exclusive(sqlite_path(parsed))


@contextmanager
def _sealed(url: str) -> Iterator[None]:
    writing(url, seal)
    try:
        yield
    except BaseException:
        writing(url, unseal)
        raise


def _count(connection: Connection, table: Table) -> int:
    query = select(func.count()).select_from(rows_of(table).subquery())
    return connection.scalar(query) or 0


def _write(
    connection: Connection, out: BinaryIO, now: datetime, sealing: bool, progress: Progress
) -> DumpSummary:
    schema = check_revision(without_seal(revision_of(connection)))
    header = Header(
        schema=schema,
        sealed=sealing,
        rows={str(table.name): _count(connection, table) for table in TABLES},
        columns={str(table.name): columns_of(table) for table in TABLES},
        exported_at=now,
    )
    out.write(header.encode())
    tally = Tally()
    for table in TABLES:
        name = str(table.name)
        tally.rows[name] = 0
        query = rows_of(table).order_by(*order_of(table, connection.dialect.name))
        rows = connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
        for some in rows.partitions():
            for row in some:
                line = encode_row(table, row)
                tally.add(name, line)
                out.write(line)
            progress(name, tally.total, header.total)
    assert tally.rows == dict(header.rows), "counted and read in one transaction"
    out.write(tally.footer())
    out.flush()
    return DumpSummary(schema=schema, sealed=sealing, rows=tally.rows, sha256=tally.sha256)
