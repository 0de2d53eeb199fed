"""Connections to PostgreSQL: for writers, readers and migrations.

No transaction depends on the state of a session. Roles, claims and timeouts are set ``LOCAL``,
so a transaction pooler such as PgBouncer may stand between.
"""

import asyncio
from collections.abc import Callable, Coroutine

import asyncpg
import psycopg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from actors.ports.commits import StoreUnavailable
from store.postgres.errors import BROKEN
from store.postgres.pipeline import Pipeline
from store.postgres.tls import check_files, encryption, meaning_of
from store.settings import DatabaseSettings
from store.sql.readers import only_reads
from store.sql.url import postgresql_dsn

CONNECT_TIMEOUT_S = 5.0
SILENCE_MS = 2_000
"""How long after the server's own statement timeout the driver gives up a silent connection."""
_POOL_WAIT_S = 5.0
SCHEME = "postgresql+asyncpg://"


Connect = Callable[[], Coroutine[None, None, Pipeline]]
"""Opens a connection that writes. Raises StoreUnavailable."""


def writing(
    settings: DatabaseSettings,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    silence_ms: int = SILENCE_MS,
) -> Connect:
    async def connect() -> Pipeline:
        try:
            check_files(settings.location)
            async with asyncio.timeout(connect_timeout_s):
                connection = await psycopg.AsyncConnection.connect(
                    postgresql_dsn(settings.location), autocommit=True, client_encoding="UTF8"
                )
        except BROKEN as error:
            raise unreachable(error) from error
        return Pipeline(
            connection,
            silence_s=(settings.statement_timeout_ms + silence_ms) / 1_000,
            prepares=settings.prepared_statements,
        )

    return connect


def reading(settings: DatabaseSettings) -> Callable[[], Coroutine[None, None, object]]:
    """Opens a connection of asyncpg, for SQLAlchemy. Raises StoreUnavailable."""

    async def connect() -> object:
        try:
            plain, tls = encryption(settings.location)
            connection: object = await asyncpg.connect(
                postgresql_dsn(plain),
                **tls,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=(settings.statement_timeout_ms + SILENCE_MS) / 1_000,
                statement_cache_size=100 if settings.prepared_statements else 0,
            )
        except BROKEN as error:
            raise unreachable(error) from error
        return connection

    return connect


def unreachable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"PostgreSQL cannot be reached: {meaning_of(error)}")


def preparing(settings: DatabaseSettings) -> dict[str, object]:
    """How SQLAlchemy prepares statements: named and kept, or unnamed and closed after use."""
    if settings.prepared_statements:
        return {"prepared_statement_cache_size": 100}
    return {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


def reading_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Read-only transactions, each with one snapshot of the database."""
    engine = create_async_engine(
        SCHEME,
        async_creator=reading(settings),
        connect_args=preparing(settings),
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        pool_size=settings.readers,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_S,
        pool_use_lifo=True,
    )

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def refuse_other_than_reading(
        _connection: object, _cursor: object, statement: str, *_further: object
    ) -> None:
        if not only_reads(statement):
            raise asyncpg.InsufficientPrivilegeError("readers may only SELECT")

    @event.listens_for(engine.sync_engine, "handle_error")
    def recognise(context: ExceptionContext) -> Exception | None:
        """An error that SQLAlchemy does not recognise as one of the database."""
        error = context.original_exception
        if context.sqlalchemy_exception is None and isinstance(error, BROKEN):
            context.is_disconnect = True
            return StoreUnavailable(str(error) or type(error).__name__)
        return None

    return engine
