"""Read transactions, on connections that cannot write.

Two ways in, which the database itself tells apart:

``caller``
    What a request may see. The connection is restricted by row-level security and bound
    to the principal for this one transaction; whatever the statement says, rows that are
    not theirs do not exist.
``hub``
    The hub's own questions, and only these: *who is this* (a token's subject, an adoptable
    e-mail, a person by id: asked before there is a principal, or cached for all of them),
    *does this e-mail or phone belong to anybody* (a search that answers id and name), *what
    does a calendar need* (rows, types, holds and stored replies of an actor, which decides
    for everybody), *what is to be broadcast* (the relay), and the ping. Each names what it
    is about (:class:`Lookup`); on PostgreSQL nothing else exists for it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from actors.domain.principal import Principal
from actors.ports.commits import StoreUnavailable

IsTemporary = Callable[[BaseException | None], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """What a transaction is about to ask for by name, where that widens what it sees."""

    calendars: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    exact: str | None = None
    """An e-mail or phone: who knows it whole may find whose it is."""


NO_LOOKUP = Lookup()

BindPrincipal = Callable[[AsyncConnection, Principal | None, Lookup], Awaitable[None]]
"""Give the transaction just begun the rights of the principal, or of the hub itself
(``None``), until it ends."""


class Readers:
    def __init__(
        self,
        *,
        callers: AsyncEngine,
        hub: AsyncEngine,
        bind_principal: BindPrincipal,
        is_temporary: IsTemporary,
    ) -> None:
        self._callers = callers
        self._hub = hub
        self._bind_principal = bind_principal
        self._is_temporary = is_temporary

    @asynccontextmanager
    async def caller(
        self, principal: Principal, lookup: Lookup = NO_LOOKUP
    ) -> AsyncIterator[AsyncConnection]:
        """One read transaction with the rights of ``principal``."""
        async with self._transaction(self._callers, principal, lookup) as connection:
            yield connection

    @asynccontextmanager
    async def hub(self, lookup: Lookup = NO_LOOKUP) -> AsyncIterator[AsyncConnection]:
        """One read transaction of the hub itself; never a request's way to rows."""
        async with self._transaction(self._hub, None, lookup) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine, principal: Principal | None, lookup: Lookup
    ) -> AsyncIterator[AsyncConnection]:
        """Raises StoreUnavailable when the database cannot be read now."""
        try:
            async with engine.connect() as connection, connection.begin():
                await self._bind_principal(connection, principal, lookup)
                yield connection
        except PoolTimeout as error:
            raise StoreUnavailable("all read connections are busy") from error
        except DBAPIError as error:
            if self._is_temporary(error.orig):
                raise StoreUnavailable(str(error.orig)) from error
            raise
