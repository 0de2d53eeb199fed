"""Deletes what is older than it is kept, in small batches between the commits.

Events are kept for 30 days, unused reservations for 7 and idempotency keys for 1, unless the
settings differ. Epochs and pending events are never deleted.
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
    """Deliveries to webhooks, which are kept as long as events."""


class RetentionRepository:
    def __init__(self, writer: Writer, sql: WriteStatements) -> None:
        self._writer = writer
        self._sql = sql

    async def forget(self, now: datetime, keep: RetentionSettings = _DEFAULT) -> DeletedRows:
        """Raises a CommitFailure; then call it again later."""
        sql = self._sql
        events, holds, replies = (
            now - timedelta(days=days)
            for days in (keep.events_days, keep.holds_days, keep.idempotency_keys_days)
        )
        return DeletedRows(
            events=await self._delete_all(sql.delete_events, events),
            holds=await self._delete_all(sql.delete_holds, holds),
            replies=await self._delete_all(sql.delete_replies, replies),
            deliveries=await self._delete_all(sql.webhooks.forget_deliveries, events),
        )

    async def _delete_all(self, statement: Statement, before: datetime) -> int:
        total = 0
        while count := await self._writer.run(single_job(lambda: _batch(statement, before))):
            total += count
            await asyncio.sleep(0)  # let commits that wait go first
        return total


def _batch(statement: Statement, before: datetime) -> Plan[Done[int]]:
    rows = yield once(statement, before=before, at_most=BATCH_ROWS_MAX)
    return Done(len(rows))
