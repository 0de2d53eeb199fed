"""Runs synchronous code on a whole database, on either engine: dumps, checks, repairs, seals.

It bypasses the actors and row security, so it sees every row. Only the operator runs it, never a
request.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from actors.ports.commits import StoreUnavailable
from store.postgres.claims import MAINTENANCE
from store.postgres.sync import on_postgresql
from store.sql.url import is_postgresql, parse_url, sqlite_path

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
    return _on_sqlite(parsed, work, mode="ro", begin="BEGIN", pragmas=())


def writing(url: str, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in a transaction, which is rolled back if it raises."""
    parsed = parse_url(url)
    if is_postgresql(parsed):
        return on_postgresql(parsed, _in_transaction(work), begin=MAINTENANCE)
    return _on_sqlite(parsed, work, mode="rw", begin="BEGIN IMMEDIATE", pragmas=_WRITING_SQLITE)


def _in_transaction(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    def run(connection: Connection) -> T:
        with connection.begin():
            return work(connection)

    return run


def _on_sqlite(
    url: URL, work: Callable[[Connection], T], *, mode: str, begin: str, pragmas: tuple[str, ...]
) -> T:
    path = sqlite_path(url).absolute()
    if not path.exists():
        raise StoreUnavailable(f"{path} does not exist")
    engine = create_engine(
        make_url("sqlite://").set(database=path.as_uri(), query={"mode": mode, "uri": "true"}),
        poolclass=NullPool,
        connect_args={"isolation_level": None},
    )

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    try:
        with engine.connect() as connection:
            raw = connection.connection.cursor()
            for pragma in pragmas:
                raw.execute(pragma)
            raw.close()
            return _in_transaction(work)(connection)
    finally:
        engine.dispose()
