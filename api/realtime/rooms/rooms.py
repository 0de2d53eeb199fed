"""The members of each channel."""

from collections.abc import Collection, Sequence

from actors.domain.channels import Channel
from actors.ports.events import EventRecord
from api.realtime.rooms.subscribers import Subscriber, Subscription


class Rooms:
    """Membership by channel and by subscriber."""

    def __init__(self) -> None:
        self._rooms: dict[Channel, dict[Subscriber, Subscription]] = {}
        self._of: dict[Subscriber, dict[Channel, Subscription]] = {}
        self._broadcasts: dict[Channel, Sequence[EventRecord]] = {}
        """The running broadcast of each channel."""

    def enter(self, subscriber: Subscriber, channel: Channel, *, held: bool = True) -> Subscription:
        """Become a member from now on; a running broadcast counts as later."""
        assert not subscriber.closed, "a closed subscriber enters no room"
        room = self._rooms.setdefault(channel, {})
        subscription = room.get(subscriber)
        if subscription is None:
            subscription = room[subscriber] = Subscription(subscriber, channel)
            self._of.setdefault(subscriber, {})[channel] = subscription
        if held:
            subscription.hold()
            for record in self._broadcasts.get(channel, ()):
                subscription.keep(record)
        return subscription

    def leave(self, subscriber: Subscriber, channel: Channel) -> bool:
        """Returns whether the subscriber was a member."""
        memberships = self._of.get(subscriber, {})
        if memberships.pop(channel, None) is None:
            return False
        if not memberships:
            del self._of[subscriber]
        room = self._rooms[channel]
        del room[subscriber]
        if not room:
            del self._rooms[channel]
        return True

    def leave_all(self, subscriber: Subscriber) -> None:
        for channel in list(self._of.get(subscriber, ())):
            self.leave(subscriber, channel)

    def subscription(self, subscriber: Subscriber, channel: Channel) -> Subscription | None:
        return self._of.get(subscriber, {}).get(channel)

    def channels_of(self, subscriber: Subscriber) -> Collection[Channel]:
        return self._of.get(subscriber, {}).keys()

    def has_members(self, channel: Channel) -> bool:
        return channel in self._rooms

    def members(self, channel: Channel) -> Sequence[Subscription]:
        return tuple(self._rooms.get(channel, {}).values())

    @property
    def channels(self) -> Sequence[Channel]:
        """The channels that have members."""
        return tuple(self._rooms)

    def begin_broadcast(
        self, channel: Channel, records: Sequence[EventRecord]
    ) -> Sequence[Subscription]:
        """The members that get these events; members that enter until the end keep them."""
        self._broadcasts[channel] = records
        return self.members(channel)

    def end_broadcast(self, channel: Channel) -> None:
        self._broadcasts.pop(channel, None)
