"""The positions of channels, as a read transaction sees them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.channels import Channel
from actors.domain.position import Position
from store.sql.schema import channels, hub

_CHANNELS_IN_QUERY_MAX = 500


async def positions(
    connection: AsyncConnection, wanted: Sequence[Channel]
) -> Mapping[Channel, Position]:
    """A channel without events is at offset 0 of the hub's first epoch."""
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
