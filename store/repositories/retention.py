"""What is forgotten after its time (DESIGN §5), in small batches between the commits.

Events 30 days, reservations that came to nothing 7, idempotency keys 1. Never touches an
epoch or an event that was not yet sent.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.settings import RetentionSettings
from store.sql.prepared import Done, Plan, Statement, once
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job

BATCH_ROWS_MAX = 500
_DEFAULT = RetentionSettings()


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletedRows:
    """How many rows were deleted."""

    events: int
    holds: int
    replies: int
    deliveries: int
    """To webhooks; kept as long as the events they were of."""


class RetentionRepository:
    def __init__(self, writer: Writer, sql: WriteStatements) -> None:
        self._writer = writer
        self._sql = sql

    async def forget(self, now: datetime, keep: RetentionSettings = _DEFAULT) -> DeletedRows:
        """Delete everything older than it is kept. Raises a CommitFailure: call again later."""
        sql = self._sql
        events, holds, replies = (
            now - timedelta(days=days)
            for days in (keep.events_days, keep.holds_days, keep.idempotency_keys_days)
        )
        return DeletedRows(
            events=await self._empty(sql.delete_events, events),
            holds=await self._empty(sql.delete_holds, holds),
            replies=await self._empty(sql.delete_replies, replies),
            deliveries=await self._empty(sql.webhooks.forget_deliveries, events),
        )

    async def _empty(self, statement: Statement, before: datetime) -> int:
        total = 0
        while count := await self._writer.run(single_job(lambda: _batch(statement, before))):
            total += count
            await asyncio.sleep(0)  # let commits that wait go first
        return total


def _batch(statement: Statement, before: datetime) -> Plan[Done[int]]:
    rows = yield once(statement, before=before, at_most=BATCH_ROWS_MAX)
    return Done(len(rows))
