"""Read transactions, on connections that cannot write.

There are two ways to read, and the database itself enforces the difference:

``caller``
    What a request may see. Row security binds the connection to the principal for one
    transaction: rows that the principal may not see do not exist in any statement.
``hub``
    The queries that the hub makes for itself, and only these:

    - identity: the profile of a token's issuer and subject, of an adoptable e-mail, or by id;
    - practices, and the dentists of one;
    - the patients who have exactly this e-mail or phone, and who has looked them up;
    - calendars: rows, types, holds and stored replies of an actor;
    - events that are still to be published, and webhooks to be delivered;
    - messages to be sent, and what they report: visits, patients, practices;
    - the consents of a patient for whom a chatbot acts;
    - the calendars with rows of a patient who is to be merged;
    - the ping.

    Each names the keys that it looks up (:class:`Lookup`); on PostgreSQL it sees no others.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from actors.domain.contact import KnownContact
from actors.domain.principal import Principal
from actors.ports.commits import StoreUnavailable

IsTemporary = Callable[[BaseException | None], bool]
ReadTransaction = AbstractAsyncContextManager[AsyncConnection]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """The keys that a read transaction looks up, where this widens what it sees."""

    calendars: tuple[str, ...] = ()
    practices: tuple[str, ...] = ()
    """Whose dentists are looked up."""
    scopes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    issuer: str | None = None
    subjects: tuple[str, ...] = ()
    """Of tokens of ``issuer``."""
    exact: str | None = None
    """A complete e-mail or phone, with which the profile that has it may be found."""
    region: str = ""
    """The country whose telephone numbers ``exact`` may leave without a country code."""

    @property
    def contact(self) -> KnownContact | None:
        return KnownContact.of(self.exact, self.region) if self.exact else None


NO_LOOKUP = Lookup()

BindPrincipal = Callable[[AsyncConnection, Principal | None, Lookup], Awaitable[None]]
"""Gives the current transaction the rights of the principal, or those of the hub (``None``)."""


def only_reads(sql: str) -> bool:
    """Whether the statement begins as a query does.

    Read-only transactions refuse writes. This refuses also what would change the principal
    (SET, DO) or show more than rows (EXPLAIN).
    """
    return sql.lstrip().upper().startswith(("SELECT", "WITH"))


class Readers:
    """Opens read transactions. They raise StoreUnavailable if the database cannot be read now."""

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

    def caller(self, principal: Principal) -> ReadTransaction:
        """A read transaction with the rights of ``principal``."""
        return self._transaction(self._callers, principal, NO_LOOKUP)

    def hub(self, lookup: Lookup = NO_LOOKUP) -> ReadTransaction:
        """A read transaction of the hub itself; of what a request is answered, for the practices
        only, which everyone may read."""
        return self._transaction(self._hub, None, lookup)

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine, principal: Principal | None, lookup: Lookup
    ) -> AsyncIterator[AsyncConnection]:
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
