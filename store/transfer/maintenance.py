"""Runs synchronous code on a whole database, on either engine: dumps, checks, repairs, seals.

It bypasses the actors and row security, so it sees every row. Only the operator runs it, never a
request.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, case, exists, insert, literal, select, update

from store.postgres.claims import MAINTENANCE
from store.postgres.sync import on_postgresql
from store.sql.schema import FORGOTTEN, deliveries, event_channels, hub
from store.sql.url import is_postgresql, parse_url
from store.sqlite.sync import on_sqlite

T = TypeVar("T")

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITING_SQLITE = ("PRAGMA foreign_keys = ON", "PRAGMA synchronous = FULL")


def reading(url: str, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in a transaction that sees the database as it is at its first statement.

    A hub may run meanwhile. Raises StoreUnavailable if there is no database.
    """
    parsed = parse_url(url)
    if is_postgresql(parsed):
        return on_postgresql(parsed, _in_transaction(work), begin=(_SNAPSHOT, *MAINTENANCE))
    return on_sqlite(parsed, _in_transaction(work), mode="ro")


def writing(url: str, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in a transaction, which is rolled back if it raises."""
    parsed = parse_url(url)
    if is_postgresql(parsed):
        return on_postgresql(parsed, _in_transaction(work), begin=MAINTENANCE)
    return on_sqlite(
        parsed, _in_transaction(work), begin="BEGIN IMMEDIATE", pragmas=_WRITING_SQLITE
    )


def _in_transaction(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    def run(connection: Connection) -> T:
        with connection.begin():
            return work(connection)

    return run


def raise_epoch(connection: Connection, at_least: int) -> None:
    """Set the epoch to ``at_least`` (Unix seconds) or its value + 1, whichever is larger.

    A client with a position of an older epoch learns that its position is lost, and fetches
    again. Pending events of older epochs are marked as failed: they will not be sent.
    """
    epoch, c, d = hub.c.first_epoch, event_channels.c, deliveries.c
    raised = case((epoch + 1 > at_least, epoch + 1), else_=at_least)
    connection.execute(update(hub).values(first_epoch=raised))
    pending = select(
        c.event, c.channel, literal("failed"), literal(0), literal("history was replaced")
    ).where(c.event > FORGOTTEN, ~exists().where(d.event == c.event, d.channel == c.channel))
    columns = [d.event, d.channel, d.status, d.attempts, d.error]
    connection.execute(insert(deliveries).from_select(columns, pending))


def epoch_of(connection: Connection) -> int:
    return connection.scalar(select(hub.c.first_epoch)) or 0
