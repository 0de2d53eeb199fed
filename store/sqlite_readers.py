"""The pool of read-only connections to the database file."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from store.sqlite_file import file_identity, same_file

_POOL_WAIT_SECONDS = 5.0


def reading_engine(path: Path, *, pool_size: int, busy_timeout_ms: int) -> AsyncEngine:
    """Connections that open the file read-only and refuse to write besides.

    A connection whose file was replaced behind its back is replaced when it is next
    taken from the pool.
    """
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=f"{path.absolute().as_uri()}", query=_READ_ONLY),
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # names and notes stay out of error texts
        pool_timeout=_POOL_WAIT_SECONDS,
        connect_args={"timeout": busy_timeout_ms / 1000, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def opened(raw: Any, record: Any) -> None:
        record.info["file"] = file_identity(path)
        cursor = raw.cursor()
        cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(raw: Any, record: Any, proxy: Any) -> None:
        if not same_file(path, record.info["file"]):
            raise DisconnectionError("the database file was replaced")

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


_READ_ONLY = {"mode": "ro", "uri": "true"}
