"""Raises the epochs of channels after a restore, an import or the removal of a seal.

A client with a position of an older epoch learns that its position is lost, and fetches again.
"""

from sqlalchemy import ColumnElement, Connection, bindparam, case, func, select, update

from store.sql.schema import IS_PENDING, channels, hub, realtime_events

_REASON = "history was replaced"


def raise_epochs(connection: Connection, at_least: int) -> None:
    """Set every epoch to ``at_least`` (Unix seconds) or its value + 1, whichever is larger.

    Pending events of older epochs are marked as failed: they will not be sent.
    """
    floor: ColumnElement[int] = bindparam("at_least", at_least)
    for table, column in ((hub, hub.c.first_epoch), (channels, channels.c.epoch)):
        connection.execute(update(table).values({column: _larger(column + 1, floor)}))
    pending = update(realtime_events).where(IS_PENDING)
    connection.execute(pending.values(status="failed", error=_REASON))


def largest_epoch(connection: Connection) -> int:
    first: int = connection.scalar(select(func.max(hub.c.first_epoch))) or 0
    return max(first, connection.scalar(select(func.max(channels.c.epoch))) or 0)


def _larger(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one > other, one), else_=other)
