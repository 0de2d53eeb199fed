"""Deletes what is older than it is kept, in small batches between the commits.

Events are kept for 30 days, unused reservations for 7 and idempotency keys for 1, unless the
settings differ. Epochs and pending events are never deleted.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from store.settings import RetentionSettings
from store.sql.prepared import Done, Plan, Statement, execute
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job

BATCH_ROWS_MAX = 500
_DEFAULT = RetentionSettings()


class RetentionRepository:
    def __init__(self, writer: Writer, sql: WriteStatements) -> None:
        self._writer = writer
        self._sql = sql

    async def forget(self, now: datetime, keep: RetentionSettings = _DEFAULT) -> Mapping[str, int]:
        """Answers how many rows were deleted. Raises a CommitFailure; then call it again later.

        Deliveries to webhooks are kept as long as events.
        """
        sql = self._sql
        kept = {
            "events": (sql.delete_events, keep.events_days),
            "holds": (sql.delete_holds, keep.holds_days),
            "replies": (sql.delete_replies, keep.idempotency_keys_days),
            "deliveries": (sql.webhooks.forget_deliveries, keep.events_days),
        }
        return {
            what: await self._delete_all(statement, now - timedelta(days=days))
            for what, (statement, days) in kept.items()
        }

    async def _delete_all(self, statement: Statement, before: datetime) -> int:
        total = 0
        while count := await self._writer.run(single_job(lambda: _batch(statement, before))):
            total += count
            await asyncio.sleep(0)  # let commits that wait go first
        return total


def _batch(statement: Statement, before: datetime) -> Plan[Done[int]]:
    rows = yield from execute(statement, before=before, at_most=BATCH_ROWS_MAX)
    return Done(len(rows))
