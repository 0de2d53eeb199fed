"""One connection that writes: its transactions, and what they say of themselves first."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from actors.ports.commits import StoreUnavailable
from store.postgres.claims import WRITER, declared_writes
from store.postgres.connect import Connect
from store.postgres.errors import BROKEN, is_an_answer
from store.settings import DatabaseSettings
from store.sql.prepared import Rows, Step

log = structlog.get_logger(__name__)

_ROLLBACK_S = 1.0
"""A connection that does not even undo in time is dead, though it may look alive; the driver
itself would wait for it for ever, once a statement before has timed out."""


class PostgresConnection:
    """Opened when it is needed, and anew after it was lost; used by one task."""

    def __init__(self, connect: Connect, settings: DatabaseSettings) -> None:
        self._connect = connect
        self._raw: Any = None
        self._lock_timeout_ms = settings.lock_timeout_ms
        idle_ms = settings.idle_in_transaction_timeout_ms
        self._begin = "; ".join(
            (
                # The plans' locks serialise; each statement must see what came before it.
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                f"SET LOCAL ROLE {WRITER}",
                f"SET LOCAL statement_timeout = {settings.statement_timeout_ms}",
                f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}",
            )
        )

    async def begin(self, declared: Sequence[str], lock_timeout_ms: int | None = None) -> None:
        """One round trip; the shorter of two times to wait for a lock. Raises
        StoreUnavailable, or an error of the driver."""
        patience_ms = min(lock_timeout_ms or self._lock_timeout_ms, self._lock_timeout_ms)
        waits = f"SET LOCAL lock_timeout = {patience_ms}"
        try:
            await self._begun(f"{self._begin}; {waits}; {declared_writes(declared)}")
        except asyncpg.InsufficientPrivilegeError as error:
            raise StoreUnavailable(f"the login cannot write: {error}") from error

    async def _begun(self, script: str) -> None:
        reused = self._raw is not None and not self._raw.is_closed()
        if not reused:
            self._raw = await self._connect()
        try:
            await self._raw.execute(script)
        except BROKEN as error:
            await self.rollback()
            if not reused or is_an_answer(error):
                raise
            # Lost while it was idle: nothing was begun, so a fresh one may begin it.
            self._raw = await self._connect()
            await self._raw.execute(script)

    async def run(self, step: Step) -> Rows:
        """One round trip for all of the step's parameters, in their order."""
        statement = step.statement
        if len(step.params) == 1:
            found = await self._raw.fetch(statement.sql, *statement.bind(step.params[0]))
        elif statement.takes_many:
            arrays = zip(*map(statement.bind, step.params), strict=True)
            found = await self._raw.fetch(statement.sql_of_arrays, *arrays)
        elif statement.returns_rows:
            values = list(map(statement.bind, step.params))
            found = await self._raw.fetchmany(statement.sql, values)
        else:
            await self._raw.executemany(statement.sql, list(map(statement.bind, step.params)))
            return ()
        return statement.read(found) if statement.returns_rows else ()

    async def commit(self) -> None:
        said = await self._raw.execute("COMMIT")
        assert said == "COMMIT", f"a failed transaction was to be committed: {said}"

    async def rollback(self) -> None:
        """Undo what is open; a connection that cannot is given up, which undoes it, too."""
        try:
            if not self._raw.is_closed():
                async with asyncio.timeout(_ROLLBACK_S):
                    await self._raw.execute("ROLLBACK")
        except BROKEN as error:
            log.warning("connection_given_up", error=str(error))
            self._raw.terminate()

    async def close(self) -> None:
        if self._raw is None:
            return
        try:
            await self._raw.close(timeout=1.0)
        except BROKEN:
            self._raw.terminate()
