"""A connection that writes: transactions, and the settings with which each begins."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import structlog

from actors.ports.commits import StoreUnavailable
from store.postgres.claims import SET_WRITER, writing_claims
from store.postgres.connect import Connect
from store.postgres.errors import BROKEN, is_an_answer, lacks_privilege
from store.postgres.pipeline import Call, Pipeline
from store.settings import DatabaseSettings
from store.sql.prepared import Group, Rows, Step

log = structlog.get_logger(__name__)

_ROLLBACK_S = 1.0
"""A connection that does not roll back in this time is closed."""
_BEGIN: Call = ("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", ())
"""Plans take the locks. Each statement must see what was committed before."""


class PostgresConnection:
    """Connects when needed, and again after the connection was lost; used by one task.

    A transaction is three round trips: BEGIN with the first group, further groups, COMMIT.
    """

    def __init__(self, connect: Connect, settings: DatabaseSettings) -> None:
        self._connect = connect
        self._raw: Pipeline | None = None
        self._lock_timeout_ms = settings.lock_timeout_ms
        self._timeouts = (
            f"{settings.statement_timeout_ms}ms",
            f"{settings.idle_in_transaction_timeout_ms}ms",
        )
        self._opening: tuple[Call, ...] = ()
        """Sent before the first group; empty when the transaction has begun."""

    def begin(self, declared: Sequence[str], lock_timeout_ms: int | None = None) -> None:
        """Begin a transaction with the next group, with the shorter of two lock timeouts."""
        waits = min(lock_timeout_ms or self._lock_timeout_ms, self._lock_timeout_ms)
        settings = (writing_claims(declared), f"{waits}ms", *self._timeouts)
        self._opening = (_BEGIN, (SET_WRITER, settings))

    async def run(self, group: Group) -> list[Rows]:
        """Execute the steps in one round trip.

        Raises StoreUnavailable, or an error of the driver.
        """
        calls = [list(_calls(step)) for step in group]
        if not any(calls):
            return [() for _ in group]
        opening, self._opening = self._opening, ()
        sent = [*opening, *chain.from_iterable(calls)]
        found = iter(await (self._execute_first(sent) if opening else self._driver.execute(sent)))
        for _ in opening:
            next(found)
        return [
            step.statement.read(chain.from_iterable(islice(found, len(own))))
            for step, own in zip(group, calls, strict=True)
        ]

    async def _execute_first(self, calls: Sequence[Call]) -> list[Rows]:
        reused = self._raw is not None and not self._raw.is_closed
        if not reused:
            self._raw = await self._connect()
        try:
            return await self._driver.execute(calls)
        except BROKEN as error:
            if lacks_privilege(error) and "to set role" in str(error):
                raise StoreUnavailable(f"the login cannot write: {error}") from error
            if not reused or is_an_answer(error) or isinstance(error, TimeoutError):
                raise
            # Lost while it was idle, or before COMMIT: a new connection may begin.
            self._driver.terminate()
            self._raw = await self._connect()
            return await self._raw.execute(calls)

    @property
    def _driver(self) -> Pipeline:
        assert self._raw is not None, "a transaction begins with a connection"
        return self._raw

    async def commit(self) -> None:
        if self._opening:
            return  # nothing was executed
        status = await self._driver.command("COMMIT")
        assert status == "COMMIT", f"a failed transaction was to be committed: {status}"

    async def rollback(self) -> None:
        """Roll back; a connection that fails to is closed, which rolls back, too."""
        if self._raw is None or self._raw.is_closed:
            return
        try:
            async with asyncio.timeout(_ROLLBACK_S):
                await self._raw.command("ROLLBACK")
        except BROKEN as error:
            log.warning("connection_given_up", error=str(error))
            self._raw.terminate()

    async def close(self) -> None:
        if self._raw is not None:
            await self._raw.close()


def _calls(step: Step) -> Iterator[Call]:
    """One call for all rows where the statement takes arrays, otherwise one for each row."""
    statement = step.statement
    values = list(map(statement.bind, step.params))
    if len(values) > 1 and statement.takes_many:
        yield statement.sql_of_arrays, tuple(zip(*values, strict=True))
        return
    for each in values:
        yield statement.sql, each
