"""Runs synchronous code on PostgreSQL: alembic, checks, dumps."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from store.postgres.connect import SCHEME, preparing, reading
from store.settings import DatabaseSettings
from store.sql.url import postgresql_dsn

T = TypeVar("T")

_STATEMENT_TIMEOUT_MS = 24 * 3_600_000
"""Of the driver. The server's timeouts are the operator's own."""


def on_postgresql(url: URL, work: Callable[[Connection], T], *, begin: Sequence[str] = ()) -> T:
    """Run ``work`` on a connection of its own; each transaction executes ``begin`` first.

    The driver is asynchronous, so this uses a thread with its own event loop. The caller may be
    inside a loop or not. Raises what ``work`` raises, and StoreUnavailable.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="postgresql-work") as thread:
        return thread.submit(asyncio.run, _on(url, work, begin)).result()


async def _on(url: URL, work: Callable[[Connection], T], begin: Sequence[str]) -> T:
    settings = DatabaseSettings(
        url=postgresql_dsn(url),
        statement_timeout_ms=_STATEMENT_TIMEOUT_MS,
        prepared_statements=False,  # behind a pooler, the next one of that name would fail
    )
    engine = create_async_engine(
        SCHEME,
        async_creator=reading(settings),
        connect_args=preparing(settings),
        poolclass=NullPool,
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        for statement in begin:
            connection.exec_driver_sql(statement)

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
