"""``realtime_events``: :class:`~actors.ports.events.EventLog`."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.events import Delivery, EventRecord
from store.sql.codec import EVENT
from store.sql.prepared import Params, Step
from store.sql.readers import Lookup, Readers, ReadTransaction
from store.sql.schema import IS_PENDING, channels, hub, realtime_events
from store.sql.types import total
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, step_job

MARKED_AT_ONCE_MAX = 500
_CHANNELS_IN_QUERY_MAX = 500

_e = realtime_events.c


class EventRepository:
    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer = writer
        self._readers = readers
        self._sql = sql

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
        query = select(func.min(_e.offset)).where(_e.channel == channel)
        async with self._readers.hub(Lookup(channels=(channel,))) as connection:
            oldest: int | None = (await connection.execute(query)).scalar_one()
        return oldest

    async def pending(self, *, limit: int) -> Sequence[EventRecord]:
        query = (
            select(*EVENT.columns).where(IS_PENDING).order_by(_e.channel, _e.offset).limit(limit)
        )
        async with self._readers.hub() as connection:
            return [EVENT.read(row) for row in await connection.execute(query)]

    async def mark(self, deliveries: Sequence[Delivery]) -> None:
        for n in range(0, len(deliveries), MARKED_AT_ONCE_MAX):
            some = [_mark(delivery) for delivery in deliveries[n : n + MARKED_AT_ONCE_MAX]]
            await self._writer.run(step_job(Step(self._sql.mark_event, some)))

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
    first_epoch = (await connection.execute(select(hub.c.first_epoch))).scalar_one()
    found = {name: Position(first_epoch, 0) for name in wanted}
    c = channels.c
    for n in range(0, len(wanted), _CHANNELS_IN_QUERY_MAX):
        some = wanted[n : n + _CHANNELS_IN_QUERY_MAX]
        rows = await connection.execute(
            select(c.channel, c.epoch, c.offset).where(c.channel.in_(some))
        )
        for name, epoch, offset in rows:
            found[Channel(name)] = Position(epoch, offset)
    return found
