"""Opens the writer and the readers of a SQLite database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from store.settings import DatabaseSettings
from store.sql.lockfile import exclusive
from store.sql.readers import Readers
from store.sql.url import sqlite_path
from store.sql.writer import Writer, WriterContext
from store.sqlite.errors import is_temporary
from store.sqlite.readers import bind_principal, callers_engine, reading_engine
from store.sqlite.writer import SqliteWriter


@asynccontextmanager
async def open_sqlite(
    settings: DatabaseSettings, context: WriterContext, schema_version: str
) -> AsyncIterator[tuple[Writer, Readers]]:
    """The file is locked for this process until the block ends.

    Leaving the block commits what waits and closes every connection. Raises DatabaseInUse,
    which names the process that has the lock.
    """
    path = sqlite_path(settings.location)
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(path))
        writer = SqliteWriter(
            path, context, schema_version=schema_version, lock_timeout_ms=settings.lock_timeout_ms
        )
        stack.push_async_callback(writer.close)
        hub, callers = reading_engine(path, settings), callers_engine(path, settings)
        stack.push_async_callback(hub.dispose)
        stack.push_async_callback(callers.dispose)
        yield (
            writer,
            Readers(
                callers=callers, hub=hub, bind_principal=bind_principal, is_temporary=is_temporary
            ),
        )
