"""Read transactions, on connections that cannot write.

``caller`` is for what a request may see, ``hub`` for the hub's own questions (who is
this token, which holds are due). They are told apart here so that the database's own
row-level security can tell them apart, too.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from actors.domain.principal import Principal
from actors.ports import StoreUnavailable

IsTemporary = Callable[[BaseException | None], bool]


class Readers:
    def __init__(self, engine: AsyncEngine, is_temporary: IsTemporary) -> None:
        self._engine = engine
        self._is_temporary = is_temporary

    @asynccontextmanager
    async def caller(self, principal: Principal) -> AsyncIterator[AsyncConnection]:
        """One read transaction with the rights of ``principal``."""
        async with self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[AsyncConnection]:
        """One read transaction of the hub itself; never on behalf of a request."""
        async with self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        """Raises StoreUnavailable when the database cannot be read now."""
        try:
            async with self._engine.connect() as connection, connection.begin():
                yield connection
        except PoolTimeout as error:
            raise StoreUnavailable("all read connections are busy") from error
        except DBAPIError as error:
            if self._is_temporary(error.orig):
                raise StoreUnavailable(str(error.orig)) from error
            raise
