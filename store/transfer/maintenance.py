"""Runs synchronous code on a whole database, on either engine: dumps, checks, repairs, seals.

It bypasses the actors and row security, so it sees every row. Only the operator runs it, never a
request.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from store.postgres.claims import MAINTENANCE
from store.postgres.sync import on_postgresql
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
