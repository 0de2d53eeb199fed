"""Connections to PostgreSQL, for the writers, the readers and the migrations alike.

Nothing is kept in a session that a transaction relies on: roles, claims and timeouts are
set ``LOCAL``, so that a transaction pooler (PgBouncer) may stand between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from actors.ports.commits import StoreUnavailable
from store.postgres.errors import BROKEN
from store.postgres.tls import encryption, meaning_of
from store.sql.read_only import only_reads
from store.sql.url import postgresql_dsn

CONNECT_TIMEOUT_S = 5.0
_POOL_WAIT_S = 5.0
SCHEME = "postgresql+asyncpg://"


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresSettings:
    writers: int = 8
    """Connections that commit, each one calendar at a time."""
    readers: int = 4
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    lock_timeout_ms: int = 5_000
    """How long a statement waits for a lock: the commit before it, or a half-dead owner."""
    statement_timeout_ms: int = 10_000
    idle_in_transaction_timeout_ms: int = 10_000
    """After which the server itself ends what a vanished hub has left open."""
    silence_ms: int = 2_000
    """How much later than the server's own timeout the driver gives a silent connection up."""
    prepared_statements: bool = True
    """Keep statements prepared; off for a transaction pooler that does not know them."""


Connect = Callable[[], Any]
"""Opens one connection of the driver. Raises StoreUnavailable."""


def connector(url: URL, settings: PostgresSettings) -> Connect:
    cached = settings.prepared_statements

    async def connect() -> Any:
        try:
            plain, tls = encryption(url)
            return await asyncpg.connect(
                postgresql_dsn(plain),
                **tls,
                timeout=settings.connect_timeout_s,
                command_timeout=(settings.statement_timeout_ms + settings.silence_ms) / 1_000,
                statement_cache_size=100 if cached else 0,
            )
        except BROKEN as error:
            raise StoreUnavailable(f"PostgreSQL cannot be reached: {meaning_of(error)}") from error

    return connect


def preparing(settings: PostgresSettings) -> dict[str, Any]:
    """How SQLAlchemy prepares statements: kept by name, or nameless and forgotten."""
    if settings.prepared_statements:
        return {"prepared_statement_cache_size": 100}
    return {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


def reading_engine(url: URL, settings: PostgresSettings) -> AsyncEngine:
    """Read-only transactions that see one instant, whatever is committed meanwhile."""
    engine = create_async_engine(
        SCHEME,
        async_creator=connector(url, settings),
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
