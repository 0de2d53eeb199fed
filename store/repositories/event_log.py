"""The log of events, its channels and deliveries: :class:`~actors.ports.events.EventLog`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.clock import Clock
from actors.ports.events import Delivery, EventRecord
from store.sql.codec import EVENT
from store.sql.prepared import Params, Step
from store.sql.readers import Lookup, Readers, ReadTransaction
from store.sql.schema import (
    FORGOTTEN,
    deliveries,
    event_channels,
    event_log,
    realtime_events,
)
from store.sql.types import total
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, step_job

MARKED_AT_ONCE_MAX = 500
_CHANNELS_IN_QUERY_MAX = 500
_COMMITTED_WITHIN = timedelta(minutes=10)
"""Longer than any transaction takes: no event with a lower id can appear after that time."""

_e, _c, _d, _log = realtime_events.c, event_channels.c, deliveries.c, event_log.c


class EventRepository:
    def __init__(
        self, writer: Writer, readers: Readers, sql: WriteStatements, clock: Clock
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._sql = sql
        self._clock = clock
        self._settled = FORGOTTEN
        """No event up to this id is pending."""

    async def heads(
        self, channels: Sequence[Channel], by: Principal | None = None
    ) -> Mapping[Channel, Position]:
        async with self._reading(by) as connection:
            return await positions(connection, channels)

    async def read(
        self,
        channel: Channel,
        *,
        after: int,
        up_to: int,
        limit: int,
        max_bytes: int,
        by: Principal | None = None,
    ) -> Sequence[EventRecord]:
        some = (
            select(*EVENT.columns)
            .where(_e.channel == channel, _e.offset > after, _e.offset <= up_to)
            .order_by(_e.offset)
            .limit(limit)
            .subquery()
        )
        size = func.length(some.c.payload)
        sized = select(some, total(size).over(order_by=some.c.offset).label("size")).subquery()
        columns = [sized.c[column.name] for column in EVENT.columns]
        query = (
            select(*columns)
            .where(or_(sized.c.size <= max_bytes, sized.c.size == func.length(sized.c.payload)))
            .order_by(sized.c.offset)
        )
        async with self._reading(by, channel) as connection:
            return [EVENT.read(row) for row in await connection.execute(query)]

    async def oldest(self, channel: Channel) -> int | None:
        query = select(func.min(_c.offset)).where(_c.channel == channel, _c.event > FORGOTTEN)
        async with self._readers.hub(Lookup(channels=(channel,))) as connection:
            oldest: int | None = (await connection.execute(query)).scalar_one()
        return oldest

    async def pending(self, *, limit: int) -> Sequence[EventRecord]:
        """Skips what an earlier call found settled, so that only the first reads the whole log."""
        async with self._readers.hub() as connection:
            before = self._clock.now() - _COMMITTED_WITHIN
            complete = (await connection.execute(_LAST_COMPLETE, {"before": before})).scalar() or 0
            after = min(self._settled, complete)
            found = (await connection.execute(_PENDING, {"after": after, "at_most": limit})).all()
        self._settled = min(complete, found[0].event - 1) if found else complete
        return [EVENT.read(row) for row in found]

    async def mark(self, deliveries: Sequence[Delivery]) -> None:
        for n in range(0, len(deliveries), MARKED_AT_ONCE_MAX):
            some = [_mark(delivery) for delivery in deliveries[n : n + MARKED_AT_ONCE_MAX]]
            await self._writer.run(step_job(Step(self._sql.events.mark_event, some)))

    def _reading(self, by: Principal | None, *channels: Channel) -> ReadTransaction:
        if by is not None:
            return self._readers.caller(by)
        return self._readers.hub(Lookup(channels=channels))


def _mark(delivery: Delivery) -> Params:
    return {
        "of_channel": delivery.channel,
        "at_offset": delivery.position.offset,
        "status": "sent" if delivery.sent else "failed",
        "broadcast_at": delivery.at,
        "latency_ms": delivery.latency_ms,
        "attempts": delivery.attempts,
        "recipients": delivery.recipients,
        "error": delivery.error,
    }


async def positions(
    connection: AsyncConnection, wanted: Sequence[Channel]
) -> Mapping[Channel, Position]:
    """As the transaction sees them; a channel without events is at offset 0 of the first epoch."""
    found: dict[Channel, Position] = {}
    for n in range(0, len(wanted), _CHANNELS_IN_QUERY_MAX):
        some = wanted[n : n + _CHANNELS_IN_QUERY_MAX]
        on_postgresql = connection.dialect.name == "postgresql"
        given = (list(some),) if on_postgresql else tuple(some)
        sql = _heads_sql(len(some), on_postgresql)
        rows: Sequence[Any] = (await connection.exec_driver_sql(sql, given)).all()
        for name, epoch, offset in rows:
            found[Channel(name)] = Position(epoch, offset)
    return found


@cache
def _heads_sql(count: int, on_postgresql: bool) -> str:
    """Looks up the head of each channel by the index, which GROUP BY would read as a whole."""
    values = f"VALUES {', '.join(['(?)'] * count)}"
    given = "SELECT unnest($1::text[])" if on_postgresql else values
    return (
        f"WITH given(channel) AS ({given})"  # noqa: S608  # placeholders only
        " SELECT given.channel, (SELECT first_epoch FROM hub), coalesce("
        '(SELECT c."offset" FROM event_channels AS c WHERE c.channel = given.channel'
        ' ORDER BY c."offset" DESC LIMIT 1), 0) FROM given'
    )


_LAST_COMPLETE = (
    select(_d.event).where(_d.broadcast_at < bindparam("before")).order_by(_d.event.desc()).limit(1)
)
_UNSENT = (
    select(_c.event, _c.channel, _c.offset)
    .where(
        _c.event > bindparam("after"),
        ~exists().where(_d.event == _c.event, _d.channel == _c.channel),
    )
    .order_by(_c.event, _c.channel)
    .limit(bindparam("at_most"))
    .subquery()
)
_OF_EVENT = {column.name: column for column in (*_UNSENT.c, *_log)}
_PENDING = (
    select(*(_OF_EVENT[column.name] for column in EVENT.columns), _UNSENT.c.event)
    .join_from(_UNSENT, event_log, _log.id == _UNSENT.c.event)
    .order_by(_UNSENT.c.event, _UNSENT.c.channel)
)
