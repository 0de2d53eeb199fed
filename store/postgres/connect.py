"""Connections to PostgreSQL, for the writers, the readers and the migrations alike.

Nothing is kept in a session that a transaction relies on: roles, claims and timeouts are
set ``LOCAL``, so that a transaction pooler (PgBouncer) may stand between.
"""

from collections.abc import Callable
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from actors.ports.commits import StoreUnavailable
from store.postgres.errors import BROKEN
from store.postgres.tls import encryption, meaning_of
from store.settings import DatabaseSettings
from store.sql.read_only import only_reads
from store.sql.url import postgresql_dsn

CONNECT_TIMEOUT_S = 5.0
SILENCE_MS = 2_000
"""How long after the server's own statement timeout the driver gives up a silent connection."""
_POOL_WAIT_S = 5.0
SCHEME = "postgresql+asyncpg://"


Connect = Callable[[], Any]
"""Opens one connection of the driver. Raises StoreUnavailable."""


def connector(
    settings: DatabaseSettings,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    silence_ms: int = SILENCE_MS,
) -> Connect:
    async def connect() -> Any:
        try:
            plain, tls = encryption(settings.location)
            return await asyncpg.connect(
                postgresql_dsn(plain),
                **tls,
                timeout=connect_timeout_s,
                command_timeout=(settings.statement_timeout_ms + silence_ms) / 1_000,
                statement_cache_size=100 if settings.prepared_statements else 0,
            )
        except BROKEN as error:
            raise StoreUnavailable(f"PostgreSQL cannot be reached: {meaning_of(error)}") from error

    return connect


def preparing(settings: DatabaseSettings) -> dict[str, Any]:
    """How SQLAlchemy prepares statements: kept by name, or nameless and forgotten."""
    if settings.prepared_statements:
        return {"prepared_statement_cache_size": 100}
    return {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


def reading_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Read-only transactions that see one instant, whatever is committed meanwhile."""
    engine = create_async_engine(
        SCHEME,
        async_creator=connector(settings),
        connect_args=preparing(settings),
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        pool_size=settings.readers,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_S,
        pool_use_lifo=True,
    )

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def asked(_connection: Any, _cursor: Any, statement: str, *_further: Any) -> None:
        if not only_reads(statement):
            raise asyncpg.InsufficientPrivilegeError("readers may only SELECT")

    @event.listens_for(engine.sync_engine, "handle_error")
    def failed(context: Any) -> Exception | None:
        """What SQLAlchemy does not know as an error of a database, but is one."""
        error = context.original_exception
        if context.sqlalchemy_exception is None and isinstance(error, BROKEN):
            context.is_disconnect = True
            return StoreUnavailable(str(error) or type(error).__name__)
        return None

    return engine
