"""A connection that writes, and the settings with which each transaction begins."""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog

from actors.ports.commits import StoreUnavailable
from store.postgres.claims import WRITER, declared_writes
from store.postgres.connect import Connect, DriverConnection
from store.postgres.errors import BROKEN, is_an_answer
from store.settings import DatabaseSettings
from store.sql.prepared import Group, Rows, Step

log = structlog.get_logger(__name__)

_ROLLBACK_S = 1.0
"""A connection that does not roll back in this time is closed. Once a statement has timed out,
the driver itself would wait for ever."""


class PostgresConnection:
    """Connects when needed, and again after the connection was lost; used by one task."""

    def __init__(self, connect: Connect, settings: DatabaseSettings) -> None:
        self._connect = connect
        self._raw: DriverConnection | None = None
        self._lock_timeout_ms = settings.lock_timeout_ms
        idle_ms = settings.idle_in_transaction_timeout_ms
        self._begin = "; ".join(
            (
                # Plans take the locks. Each statement must see what was committed before.
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                f"SET LOCAL ROLE {WRITER}",
                f"SET LOCAL statement_timeout = {settings.statement_timeout_ms}",
                f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}",
            )
        )

    async def begin(self, declared: Sequence[str], lock_timeout_ms: int | None = None) -> None:
        """Begin a transaction, in one round trip, with the shorter of two lock timeouts.

        Raises StoreUnavailable, or an error of the driver.
        """
        timeout_ms = min(lock_timeout_ms or self._lock_timeout_ms, self._lock_timeout_ms)
        waits = f"SET LOCAL lock_timeout = {timeout_ms}"
        try:
            await self._execute_first(f"{self._begin}; {waits}; {declared_writes(declared)}")
        except asyncpg.InsufficientPrivilegeError as error:
            raise StoreUnavailable(f"the login cannot write: {error}") from error

    async def _execute_first(self, script: str) -> None:
        reused = self._raw is not None and not self._raw.is_closed()
        if not reused:
            self._raw = await self._connect()
        try:
            await self._driver.execute(script)
        except BROKEN as error:
            await self.rollback()
            if not reused or is_an_answer(error):
                raise
            # Lost while it was idle. Nothing was executed, so a new connection may begin.
            self._raw = await self._connect()
            await self._raw.execute(script)

    @property
    def _driver(self) -> DriverConnection:
        assert self._raw is not None, "a transaction begins with a connection"
        return self._raw

    async def run(self, group: Group) -> Sequence[Rows]:
        """Execute the steps, each in a round trip of its own."""
        return [await self._run_step(step) for step in group]

    async def _run_step(self, step: Step) -> Rows:
        statement = step.statement
        if not step.params:
            return ()
        if len(step.params) == 1:
            found = await self._driver.fetch(statement.sql, *statement.bind(step.params[0]))
        elif statement.takes_many:
            arrays = zip(*map(statement.bind, step.params), strict=True)
            found = await self._driver.fetch(statement.sql_of_arrays, *arrays)
        elif statement.returns_rows:
            values = list(map(statement.bind, step.params))
            found = await self._driver.fetchmany(statement.sql, values)
        else:
            await self._driver.executemany(statement.sql, list(map(statement.bind, step.params)))
            return ()
        return statement.read(found) if statement.returns_rows else ()

    async def commit(self) -> None:
        status = await self._driver.execute("COMMIT")
        assert status == "COMMIT", f"a failed transaction was to be committed: {status}"

    async def rollback(self) -> None:
        """Roll back; a connection that fails to is closed, which rolls back, too."""
        try:
            if not self._driver.is_closed():
                async with asyncio.timeout(_ROLLBACK_S):
                    await self._driver.execute("ROLLBACK")
        except BROKEN as error:
            log.warning("connection_given_up", error=str(error))
            self._driver.terminate()

    async def close(self) -> None:
        if self._raw is None:
            return
        try:
            await self._raw.close(timeout=1.0)
        except BROKEN:
            self._raw.terminate()
