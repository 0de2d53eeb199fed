"""Opens the writers and the readers of a PostgreSQL database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import asyncpg

from store.postgres.claims import BindClaims
from store.postgres.connect import reading_engine, writing
from store.postgres.errors import is_temporary
from store.postgres.transaction import PostgresConnection
from store.postgres.writer import PostgresWriters
from store.settings import DatabaseSettings
from store.sql.readers import Readers
from store.sql.writer import Writer, WriterContext


def asyncpg_dialect() -> Dialect:
    dialect: Dialect = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    return dialect


@asynccontextmanager
async def open_postgres(
    settings: DatabaseSettings, context: WriterContext
) -> AsyncIterator[tuple[Writer, Readers]]:
    """Leaving the block commits what waits and closes every connection."""
    connect = writing(settings)
    async with AsyncExitStack() as stack:
        writers = PostgresWriters(
            lambda: PostgresConnection(connect, settings), context, workers=settings.writers
        )
        stack.push_async_callback(writers.close)
        engine = reading_engine(settings)
        stack.push_async_callback(engine.dispose)
        bind_principal = BindClaims(settings.statement_timeout_ms)
        yield (
            writers,
            Readers(
                callers=engine, hub=engine, bind_principal=bind_principal, is_temporary=is_temporary
            ),
        )
