"""The read-only connection pools of the database file: one for the hub, one for callers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from actors.domain.principal import Principal
from store.settings import DatabaseSettings
from store.sql.readers import Lookup
from store.sqlite.file import file_identity, same_file
from store.sqlite.guard import Guard
from store.sqlite.total import refuse_what_may_fail

_POOL_WAIT_SECONDS = 5.0
_BEGIN = "BEGIN"


def reading_engine(path: Path, settings: DatabaseSettings) -> AsyncEngine:
    """Connections that open the file read-only and also refuse to write.

    A connection is replaced when it is taken from the pool and the file was replaced.
    """
    engine = _engine(path, settings)

    @event.listens_for(engine.sync_engine, "connect")
    def opened(raw: DBAPIConnection, _record: object) -> None:
        cursor = raw.cursor()
        cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    return engine


def callers_engine(path: Path, settings: DatabaseSettings) -> AsyncEngine:
    """The same, with row security from the first statement on: see :class:`Guard`.

    A connection shows no rows until :func:`bind_principal` binds it, and none after it returned
    to the pool.
    """
    engine = _engine(path, settings)

    @event.listens_for(engine.sync_engine, "connect")
    def opened(raw: AsyncAdapt_aiosqlite_connection, record: ConnectionPoolEntry) -> None:
        guard = record.info["guard"] = Guard(settings.statement_timeout_ms)
        raw.run_async(lambda driver: _in_its_thread(driver, guard))

    @event.listens_for(engine.sync_engine, "checkin")
    def returned(_raw: object, record: ConnectionPoolEntry) -> None:
        if guard := record.info.get("guard"):
            guard.bind(None)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def check(
        _connection: object,
        _cursor: object,
        statement: str,
        params: Sequence[object],
        *_further: object,
    ) -> None:
        if statement != _BEGIN:
            refuse_what_may_fail(statement, params)

    return engine


def _engine(path: Path, settings: DatabaseSettings) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=f"{path.absolute().as_uri()}", query=_READ_ONLY),
        pool_size=settings.readers,
        max_overflow=0,
        hide_parameters=True,  # names and notes stay out of error texts
        pool_timeout=_POOL_WAIT_SECONDS,
        connect_args={"timeout": settings.lock_timeout_ms / 1000, "isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def opened(_raw: object, record: ConnectionPoolEntry) -> None:
        record.info["file"] = file_identity(path)

    @event.listens_for(engine.sync_engine, "checkout")
    def taken(_raw: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if not same_file(path, record.info["file"]):
            raise DisconnectionError("the database file was replaced")

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(_BEGIN)

    return engine


async def _in_its_thread(driver: Any, guard: Guard) -> None:
    await driver._execute(guard.install, driver._conn)


async def bind_principal(
    connection: AsyncConnection, principal: Principal | None, lookup: Lookup
) -> None:
    if principal is not None:
        connection.info["guard"].bind(principal)


_READ_ONLY = {"mode": "ro", "uri": "true"}
