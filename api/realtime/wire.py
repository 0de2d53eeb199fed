"""Handing events out: from the relay to everybody in a channel, whatever they speak."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from actors.domain.channels import Channel
from actors.ports import EventRecord, Position
from api.realtime.rooms import Rooms
from api.realtime.subscribers import Once, Subscription

SLICE = 128
"""Subscribers that are written to before others get their turn."""

Pause = Callable[[], Awaitable[None]]


async def _let_others() -> None:
    await asyncio.sleep(0)


class Wire:
    """Implements :class:`actors.ports.Broadcaster` for the rooms.

    A large room is written to in slices, with ``pause`` in between, so that nobody else
    waits long; the broadcast ends when the last of the room was written to.
    """

    def __init__(self, rooms: Rooms, *, pause: Pause = _let_others) -> None:
        self._rooms, self._pause = rooms, pause

    async def broadcast(self, record: EventRecord) -> int:
        """Hand the event to everybody in its channel; returns how many got it.

        Who had it from an earlier attempt, or from its catch-up answer, is not sent it
        again. Raises the first failure of a subscriber, after all others were served.
        """
        members = self._rooms.begin_sending(record)
        once, reached = Once(), 0
        failure: Exception | None = None
        try:
            for part in _slices(members):
                if reached or failure:
                    await self._pause()
                for subscription in part:
                    if subscription.subscriber.closed:
                        continue
                    try:
                        subscription.deliver(record, once)
                        reached += 1
                    except Exception as error:  # one who fails must not cost the others theirs
                        failure = failure or error
        finally:
            self._rooms.end_sending(record.channel)
        if failure is not None:
            raise failure
        return reached

    async def tell_room(self, channel: Channel, event: str, data: bytes) -> None:
        """Something that is no row of the log, to everybody in the channel."""
        once = Once()
        await self._tell(channel, lambda each: each.subscriber.tell(event, data, once))

    async def tell_position(self, position: Position) -> None:
        """``channel:position``: up to where the relay is, so a lost last event is seen."""
        once = Once()
        await self._tell(
            position.channel, lambda each: each.subscriber.tell_position(position, once)
        )

    async def _tell(self, channel: Channel, tell: Callable[[Subscription], None]) -> None:
        """To all who are not waiting for an answer."""
        for number, part in enumerate(_slices(self._rooms.members(channel))):
            if number:
                await self._pause()
            for subscription in part:
                if subscription.held is None and not subscription.subscriber.closed:
                    tell(subscription)


def _slices(members: Sequence[Subscription]) -> Iterable[Sequence[Subscription]]:
    return (members[first : first + SLICE] for first in range(0, len(members), SLICE))
