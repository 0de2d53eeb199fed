"""Deletes what is older than it is kept, in small batches between the commits.

Events are kept for 30 days, unused reservations for 7 and idempotency keys for 1, unless the
settings differ. Epochs and pending events are never deleted.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from store.settings import RetentionSettings
from store.sql.event_statements import EventStatements
from store.sql.prepared import Done, Plan, Statement, execute, once
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job

BATCH_ROWS_MAX = 500
_DEFAULT = RetentionSettings()

_Forget = Callable[[datetime], Plan[Done[int]]]
"""Deletes one batch of what is older; answers how many rows."""


class RetentionRepository:
    def __init__(self, writer: Writer, sql: WriteStatements) -> None:
        self._writer = writer
        self._sql = sql

    async def forget(self, now: datetime, keep: RetentionSettings = _DEFAULT) -> Mapping[str, int]:
        """Answers how many rows were deleted. Raises a CommitFailure; then call it again later.

        Deliveries to webhooks are kept as long as events.
        """
        sql = self._sql
        kept: Mapping[str, tuple[_Forget, float]] = {
            "events": (partial(_events, sql=sql.events), keep.events_days),
            "holds": (partial(_rows, statement=sql.delete_holds), keep.holds_days),
            "replies": (
                partial(_rows, statement=sql.delete_replies),
                keep.idempotency_keys_days,
            ),
            "deliveries": (
                partial(_rows, statement=sql.webhooks.forget_deliveries),
                keep.events_days,
            ),
            "messages": (partial(_rows, statement=sql.messages.forget), keep.messages_days),
            "visit_links": (partial(_rows, statement=sql.messages.forget_links), 0),
        }
        return {
            what: await self._delete_all(forget, now - timedelta(days=days))
            for what, (forget, days) in kept.items()
        }

    async def _delete_all(self, forget: _Forget, before: datetime) -> int:
        total = 0
        while count := await self._writer.run(single_job(lambda: forget(before))):
            total += count
            await asyncio.sleep(0)  # let commits that wait go first
        return total


def _rows(before: datetime, *, statement: Statement) -> Plan[Done[int]]:
    rows = yield from execute(statement, before=before, at_most=BATCH_ROWS_MAX)
    return Done(len(rows))


def _events(before: datetime, *, sql: EventStatements) -> Plan[Done[int]]:
    """From the beginning of the log up to an event that is kept, so that no channel has a gap.

    An event that is still to be broadcast is kept, and all after it.
    """
    first = yield from execute(sql.first_events, at_most=BATCH_ROWS_MAX)
    old = [number for number, _ in takewhile(lambda event: event[1] < before, first)]
    if not old:
        return Done(0)
    ((pending,),) = yield from execute(sql.first_pending, up_to=old[-1])
    up_to = old[-1] if pending is None else pending - 1
    _, heads, offsets, *_ = yield [
        once(statement, up_to=up_to)
        for statement in (
            sql.delete_old_heads,
            sql.keep_heads,
            sql.delete_offsets,
            sql.delete_events,
            sql.delete_outcomes,
        )
    ]
    return Done(len(heads) + len(offsets))
