"""The two sides of an open store on PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import asyncpg

from actors.ports.clock import Clock
from actors.ports.events import Outbox
from store.postgres.claims import Become
from store.postgres.connect import PostgresSettings, connector, reading_engine
from store.postgres.errors import is_temporary
from store.postgres.transaction import WritingConnection
from store.postgres.writer import PostgresLane
from store.sql.readers import Readers
from store.sql.url import parse_url
from store.sql.writer import OnCommit, Writer


def asyncpg_dialect() -> Dialect:
    dialect: Dialect = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    return dialect


@asynccontextmanager
async def open_postgres(
    url: str,
    settings: PostgresSettings,
    *,
    outbox: Outbox,
    clock: Clock,
    queued_jobs_max: int,
    on_commit: OnCommit | None,
) -> AsyncIterator[tuple[Writer, Readers]]:
    """Leaving the block finishes what waits and closes every connection."""
    database = parse_url(url)
    connect = connector(database, settings)
    writer = PostgresLane(
        lambda: WritingConnection(connect, settings),
        workers=settings.writers,
        outbox=outbox,
        clock=clock,
        queued_jobs_max=queued_jobs_max,
        on_commit=on_commit,
    )
    try:
        engine = reading_engine(database, settings)
        readers = Readers(
            callers=engine,
            hub=engine,
            become=Become(settings.statement_timeout_ms),
            is_temporary=is_temporary,
        )
        try:
            yield writer, readers
        finally:
            await engine.dispose()
    finally:
        await writer.close()
