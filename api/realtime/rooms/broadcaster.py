"""Broadcasts committed events to the subscribers of their channel, in every protocol.

A large room is written to over several iterations of the event loop, so that other tasks wait
for one time slice at most.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.subscribers import EventBatch, Subscription, WireForms

_CHECK_EVERY: Final = 8
"""Subscribers that are written to between two checks of the time slice."""


class RoomBroadcaster:
    """Implements :class:`actors.ports.events.Broadcaster` for the rooms."""

    def __init__(self, rooms: Rooms, time_slice: TimeSlice) -> None:
        self._rooms, self._time_slice = rooms, time_slice

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        """Write consecutive events to every subscriber of their channel; returns how many.

        A subscriber that has an event from an earlier attempt, or from its catch-up answer,
        does not get it again. Raises the first failure, after all others were served.
        """
        channel, batch = records[0].channel, EventBatch(records)
        reached, failure = 0, None
        members = self._rooms.begin_broadcast(channel, records)
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
                    except Exception as error:  # the other subscribers still get the events
                        failure = failure or error
        finally:
            self._rooms.end_broadcast(channel)
        if failure is not None:
            raise failure
        return reached

    async def notify(self, channel: Channel, event: str, data: bytes) -> None:
        """Send an event that is not stored to all subscribers of the channel."""
        forms = WireForms()
        await self._notify(channel, lambda each: each.subscriber.notify(event, data, forms))

    async def notify_position(self, channel: Channel, position: Position) -> None:
        """Send ``channel:position``, so that clients notice even a lost last event."""
        forms = WireForms()
        await self._notify(
            channel, lambda to: to.subscriber.notify_position(channel, position, forms)
        )

    async def _notify(self, channel: Channel, send: Callable[[Subscription], None]) -> None:
        """Send to the subscribers that are not held."""
        for part in _parts(self._rooms.members(channel)):
            if self._time_slice.is_used_up:
                await self._time_slice.wait_for_next()
            for subscription in part:
                if subscription.held is None and not subscription.subscriber.closed:
                    send(subscription)


def _parts(members: Sequence[Subscription]) -> Iterable[Sequence[Subscription]]:
    return (members[n : n + _CHECK_EVERY] for n in range(0, len(members), _CHECK_EVERY))
