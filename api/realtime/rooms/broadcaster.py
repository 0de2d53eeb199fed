"""Handing events out: from the relay to everybody in a channel, whatever they speak."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.subscribers import Batch, Once, Subscription

_LOOK_EVERY: Final = 8
"""Subscribers between two looks at the clock."""


class Wire:
    """Implements :class:`actors.ports.events.Broadcaster` for the rooms.

    A large room is written to in slices, a turn of the event loop each, so that nobody
    else waits long; the broadcast ends when the last of the room was written to.
    """

    def __init__(self, rooms: Rooms, time_slice: TimeSlice) -> None:
        self._rooms, self._time_slice = rooms, time_slice

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        """Write consecutive events to every subscriber of their channel; returns how many.

        A subscriber that has an event from an earlier attempt, or from its catch-up answer,
        does not get it again. Raises the first failure of a subscriber, after all others
        were served.
        """
        channel, batch = records[0].channel, Batch(records)
        reached, failure = 0, None
        members = self._rooms.begin_sending(channel, records)
        try:
            for part in _parts(members):
                if self._time_slice.is_used_up:
                    await self._time_slice.wait_for_next()
                for subscription in part:
                    if subscription.subscriber.closed:
                        continue
                    try:
                        subscription.deliver(batch)
                        reached += 1
                    except Exception as error:  # one who fails must not cost the others theirs
                        failure = failure or error
        finally:
            self._rooms.end_sending(channel)
        if failure is not None:
            raise failure
        return reached

    async def tell_room(self, channel: Channel, event: str, data: bytes) -> None:
        """Something that is no row of the log, to everybody in the channel."""
        once = Once()
        await self._tell(channel, lambda each: each.subscriber.tell(event, data, once))

    async def tell_position(self, channel: Channel, position: Position) -> None:
        """``channel:position``: up to where the relay is, so a lost last event is seen."""
        once = Once()
        await self._tell(
            channel, lambda each: each.subscriber.tell_position(channel, position, once)
        )

    async def _tell(self, channel: Channel, tell: Callable[[Subscription], None]) -> None:
        """To all who are not waiting for an answer."""
        for part in _parts(self._rooms.members(channel)):
            if self._time_slice.is_used_up:
                await self._time_slice.wait_for_next()
            for subscription in part:
                if subscription.held is None and not subscription.subscriber.closed:
                    tell(subscription)


def _parts(members: Sequence[Subscription]) -> Iterable[Sequence[Subscription]]:
    return (members[n : n + _LOOK_EVERY] for n in range(0, len(members), _LOOK_EVERY))
