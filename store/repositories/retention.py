"""What is forgotten after its time (DESIGN §5), in small batches between the commits.

Events 30 days, reservations that came to nothing 7, idempotency keys 1. Never touches an
epoch or an event that was not yet sent.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.sql.prepared import Done, Plan, Statement, once
from store.sql.write_statements import Sql
from store.sql.writer import Job, Writer

BATCH_ROWS_MAX = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Keep:
    events: timedelta = timedelta(days=30)
    holds: timedelta = timedelta(days=7)
    replies: timedelta = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """How many rows were deleted."""

    events: int
    holds: int
    replies: int
    deliveries: int
    """To webhooks; kept as long as the events they were of."""


class Retention:
    def __init__(self, writer: Writer, sql: Sql) -> None:
        self._writer = writer
        self._sql = sql

    async def forget(self, now: datetime, keep: Keep | None = None) -> Forgotten:
        """Delete everything older than it is kept. Raises a CommitFailure: call again later."""
        keep = keep or Keep()
        sql = self._sql
        return Forgotten(
            events=await self._empty(sql.delete_events, now - keep.events),
            holds=await self._empty(sql.delete_holds, now - keep.holds),
            replies=await self._empty(sql.delete_replies, now - keep.replies),
            deliveries=await self._empty(sql.webhooks.forget_deliveries, now - keep.events),
        )

    async def _empty(self, statement: Statement, before: datetime) -> int:
        total = 0
        while count := await self._writer.run(Job(plan=lambda: _batch(statement, before))):
            total += count
            await asyncio.sleep(0)  # let commits that wait go first
        return total


def _batch(statement: Statement, before: datetime) -> Plan[Done[int]]:
    rows = yield once(statement, before=before, at_most=BATCH_ROWS_MAX)
    return Done(len(rows))
