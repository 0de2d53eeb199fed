"""Runs synchronous code on a SQLite file: alembic, checks, dumps."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from actors.ports.commits import StoreUnavailable
from store.sql.url import sqlite_path

T = TypeVar("T")


def on_sqlite(
    url: URL,
    work: Callable[[Connection], T],
    *,
    mode: Literal["ro", "rw"] = "rw",
    begin: str = "BEGIN",
    pragmas: Sequence[str] = (),
) -> T:
    """Run ``work`` on a connection of its own; each transaction starts with ``begin``.

    Transactions include DDL: the driver's own transaction handling is switched off. Raises what
    ``work`` raises, and StoreUnavailable if there is no file.
    """
    path = sqlite_path(url).absolute()
    if not path.exists():
        raise StoreUnavailable(f"{path} does not exist")
    engine = create_engine(
        make_url("sqlite://").set(database=path.as_uri(), query={"mode": mode, "uri": "true"}),
        poolclass=NullPool,
        connect_args={"isolation_level": None},
        hide_parameters=True,  # keeps personal data out of error messages
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
            return work(connection)
    finally:
        engine.dispose()
