"""Who is in which channel."""

from collections.abc import Collection, Sequence

from actors.domain.channels import Channel
from actors.ports.events import EventRecord
from api.realtime.rooms.subscribers import Subscriber, Subscription


class Rooms:
    """Membership by channel and by subscriber, kept in step."""

    def __init__(self) -> None:
        self._rooms: dict[Channel, dict[Subscriber, Subscription]] = {}
        self._of: dict[Subscriber, dict[Channel, Subscription]] = {}
        self._sending: dict[Channel, Sequence[EventRecord]] = {}

    def enter(self, subscriber: Subscriber, channel: Channel, *, held: bool = True) -> Subscription:
        """Be in the channel from now on; a broadcast that is under way counts as later."""
        assert not subscriber.closed, "nobody enters a room after leaving the hub"
        room = self._rooms.setdefault(channel, {})
        subscription = room.get(subscriber)
        if subscription is None:
            subscription = room[subscriber] = Subscription(subscriber, channel)
            self._of.setdefault(subscriber, {})[channel] = subscription
        if held:
            subscription.hold()
            for under_way in self._sending.get(channel, ()):
                subscription.keep(under_way)
        return subscription

    def leave(self, subscriber: Subscriber, channel: Channel) -> bool:
        """Whether the subscriber was in the channel."""
        mine = self._of.get(subscriber, {})
        if mine.pop(channel, None) is None:
            return False
        if not mine:
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

    def members(self, channel: Channel) -> Sequence[Subscription]:
        return tuple(self._rooms.get(channel, {}).values())

    @property
    def channels(self) -> Sequence[Channel]:
        return tuple(self._rooms)

    def begin_sending(
        self, channel: Channel, records: Sequence[EventRecord]
    ) -> Sequence[Subscription]:
        """The members that get these events now; who enters until the end gets them held."""
        self._sending[channel] = records
        return self.members(channel)

    def end_sending(self, channel: Channel) -> None:
        self._sending.pop(channel, None)
