"""A lock that ends with its process: whether another node has crashed, known at once.

Each node holds an advisory lock on a connection of its own. When its process ends, however it
ends, the server closes the session and releases the lock. A lock that is free proves nothing:
also a connection that was lost releases it. What may follow from it, the cluster decides.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg

from store.postgres.connect import CONNECT_TIMEOUT_S, unreachable
from store.postgres.errors import BROKEN
from store.postgres.tls import check_files
from store.settings import DatabaseSettings
from store.sql.url import postgresql_dsn

LOCKS_OF_NODES: Final = 1_664_525
"""The class of the locks: locks of two keys never meet those of one, which channels have."""
_ANSWER_S: Final = 2.0

_HOLD = "SELECT pg_advisory_lock(%s, hashtext(%s))"
_FREE = (
    "SELECT id FROM unnest(%s::text[]) AS given (id)"
    " WHERE pg_try_advisory_xact_lock_shared(%s, hashtext(id))"
)


class LivenessLocks:
    """The session with this node's lock. Methods raise StoreUnavailable; then it is of no use."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    async def hold(self, node_id: str) -> None:
        """Hold the lock of ``node_id`` until the session ends."""
        await self._rows(_HOLD, (LOCKS_OF_NODES, node_id))

    async def free(self, node_ids: Sequence[str]) -> Sequence[str]:
        """Those of the nodes whose lock no session holds."""
        return [str(row[0]) for row in await self._rows(_FREE, (list(node_ids), LOCKS_OF_NODES))]

    async def _rows(self, sql: str, params: Sequence[object]) -> Sequence[tuple[object, ...]]:
        try:
            async with asyncio.timeout(_ANSWER_S):
                cursor = await self._connection.execute(sql, params)
                return await cursor.fetchall()
        except BROKEN as error:
            raise unreachable(error) from error


@asynccontextmanager
async def open_liveness(settings: DatabaseSettings) -> AsyncIterator[LivenessLocks]:
    """Raises StoreUnavailable."""
    try:
        check_files(settings.location)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await psycopg.AsyncConnection.connect(
                postgresql_dsn(settings.location), autocommit=True, client_encoding="UTF8"
            )
    except BROKEN as error:
        raise unreachable(error) from error
    try:
        yield LivenessLocks(connection)
    finally:
        await connection.close()
