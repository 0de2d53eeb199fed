"""Joining channels without losing or repeating an event (``docs/protocol.md``).

The subscriber enters the room first, with its live events held. Then the relay's position R is
taken, and the events after ``since`` up to R are read: this is the answer. When it was written,
the held events follow. Every event is either up to R, and in the answer, or after R, and held.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from actors.domain.channels import HUB_STATUS, Channel, own_channels
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import ValidationFailed
from actors.services.changes import Changes, ChannelChanges
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.subscribers import Subscriber, Subscription
from api.schemas import channel_json

log = structlog.get_logger(__name__)

Positions = Callable[[Sequence[Channel]], Awaitable[Mapping[Channel, Position]]]
"""How far the relay has broadcast each channel."""

CHANNELS_MAX: Final = 100
"""Channels of one client, besides its own."""


def check_count(principal: Principal, field: str, channels: Iterable[Channel]) -> None:
    """Raise ValidationFailed for too many channels; those of the principal itself are free."""
    if len({*channels} - {*own_channels(principal)}) > CHANNELS_MAX:
        message = f"a socket can be in at most {CHANNELS_MAX} channels beside its own"
        raise ValidationFailed.of(field, message)


@dataclass(frozen=True, slots=True)
class Joined:
    """An answer to be written; :meth:`Joins.release` must be called afterwards."""

    subscriber: Subscriber
    answers: Mapping[Channel, bytes]
    """``{"recovered","events","more","epoch","offset"}`` of each channel, as JSON."""
    changes: Sequence[ChannelChanges] = ()


class Joins:
    """Lets subscribers of every protocol enter channels, with the events they missed."""

    def __init__(self, rooms: Rooms, changes: Changes, positions: Positions) -> None:
        self._rooms, self._changes, self._positions = rooms, changes, positions

    async def join(
        self,
        subscriber: Subscriber,
        principal: Principal,
        wanted: Mapping[Channel, Position | None],
    ) -> Joined:
        """Enter the channels, with live events held until :meth:`release`.

        The caller has authorised the channels (``ChannelAccess``), and lets no two
        joins or leaves of one subscriber overlap. On failure memberships are as before.
        """
        if subscriber.closed:
            return Joined(subscriber, {})
        stored = {channel: since for channel, since in wanted.items() if channel != HUB_STATUS}
        before = {channel: self._rooms.subscription(subscriber, channel) for channel in stored}
        for channel in stored:
            self._rooms.enter(subscriber, channel)
        try:
            changes = await self._read(principal, stored)
        except BaseException:
            for channel, subscription in before.items():
                if subscription is None:
                    self._rooms.leave(subscriber, channel)
                else:
                    subscription.release(subscription.sent)
            raise
        answers = {each.channel: channel_json(each) for each in changes}
        if HUB_STATUS in wanted and not subscriber.closed:
            self._rooms.enter(subscriber, HUB_STATUS, held=False)
            answers[HUB_STATUS] = _EPHEMERAL
        return Joined(subscriber, answers, changes)

    def release(self, joined: Joined) -> None:
        """The answer was written: deliver live events, unless further pages are missing."""
        for each in joined.changes:
            subscription = self._rooms.subscription(joined.subscriber, each.channel)
            if subscription is None:
                continue
            if each.more:
                self._rooms.leave(joined.subscriber, each.channel)
            else:
                _release(subscription, each.position)

    async def _read(
        self, principal: Principal, wanted: Mapping[Channel, Position | None]
    ) -> Sequence[ChannelChanges]:
        if not wanted:
            return ()
        broadcast = await self._positions(tuple(wanted))
        return await self._changes.read(principal, tuple(wanted.items()), up_to=broadcast)


def _release(subscription: Subscription, answered: Position) -> None:
    """What cannot be written must not keep the other channels held: the position that is sent
    periodically makes up for it."""
    try:
        subscription.release(answered)
    except Exception:
        log.exception("held_events_undelivered", channel=subscription.channel)


_EPHEMERAL: Final = orjson.dumps(
    {"recovered": False, "events": [], "more": False, "epoch": None, "offset": None}
)
