"""Joining channels without a hole and without a duplicate (DESIGN §6).

The subscriber enters the room first, with its live events held; then the relay's released
offset R is taken and ``(since, R]`` is read; when the answer was written, what was held
follows. Every event is at or before R, and so in the answer, or after it, and so held.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from actors.domain.channels import HUB_STATUS, Channel, may_join
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import FieldError, Forbidden, ValidationFailed
from actors.services.changes import Changes, ChannelChanges
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.subscribers import Subscriber
from api.schemas import channel_json

Positions = Callable[[Sequence[Channel]], Awaitable[Mapping[Channel, Position]]]
"""The relay's released positions of the channels."""

CHANNELS_MAX = 100
"""Channels of one socket."""


def check_may_join(principal: Principal, channels: Sequence[Channel]) -> None:
    """The one authorization of subscriptions; raises Forbidden."""
    for channel in channels:
        if not may_join(principal, channel):
            raise Forbidden("You may not join this channel")


def check_count(field: str, count: int) -> None:
    if count > CHANNELS_MAX:
        message = f"a socket can be in at most {CHANNELS_MAX} channels"
        raise ValidationFailed(FieldError(field=field, message=message))


@dataclass(frozen=True, slots=True)
class Joined:
    """An answer to be written; then :meth:`Joins.release` must be called."""

    subscriber: Subscriber
    answers: Mapping[Channel, bytes]
    """``{"recovered","events","more","epoch","offset"}`` of each channel, as JSON."""
    changes: Sequence[ChannelChanges] = ()


class Joins:
    """For every kind of subscriber; see :class:`api.realtime.rooms.subscribers.Subscriber`."""

    def __init__(self, rooms: Rooms, changes: Changes, positions: Positions) -> None:
        self._rooms, self._changes, self._positions = rooms, changes, positions

    async def join(
        self,
        subscriber: Subscriber,
        principal: Principal,
        wanted: Mapping[Channel, Position | None],
    ) -> Joined:
        """Enter the channels, with live events held until :meth:`release`.

        The caller has authorised the channels (:func:`check_may_join`), and lets no two
        joins or leaves of one subscriber overlap. On failure the subscriber is where it was.
        """
        if subscriber.closed:
            return Joined(subscriber, {})
        lasting = {channel: since for channel, since in wanted.items() if channel != HUB_STATUS}
        before = {channel: self._rooms.subscription(subscriber, channel) for channel in lasting}
        for channel in lasting:
            self._rooms.enter(subscriber, channel)
        try:
            changes = await self._read(principal, lasting)
        except BaseException:
            for channel, was_in in before.items():
                if was_in is None:
                    self._rooms.leave(subscriber, channel)
                else:
                    was_in.release(was_in.had)
            raise
        answers = {each.channel: channel_json(each) for each in changes}
        if HUB_STATUS in wanted and not subscriber.closed:
            self._rooms.enter(subscriber, HUB_STATUS, held=False)
            answers[HUB_STATUS] = _EPHEMERAL
        return Joined(subscriber, answers, changes)

    def release(self, joined: Joined) -> None:
        """The answer was written: live events follow, or begin after the last page."""
        for each in joined.changes:
            subscription = self._rooms.subscription(joined.subscriber, each.channel)
            if subscription is None:
                continue
            if each.more:
                self._rooms.leave(joined.subscriber, each.channel)
            else:
                subscription.release(each.position)

    async def _read(
        self, principal: Principal, wanted: Mapping[Channel, Position | None]
    ) -> Sequence[ChannelChanges]:
        if not wanted:
            return ()
        released = await self._positions(tuple(wanted))
        return await self._changes.read(principal, tuple(wanted.items()), up_to=released)


_EPHEMERAL = orjson.dumps(
    {"recovered": False, "events": [], "more": False, "epoch": None, "offset": None}
)
