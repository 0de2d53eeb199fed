"""Who is in which channel, and what of it each socket has had.

A subscription is *held* while its catch-up answer is on the way: live events wait, in
order, until the answer was written. Afterwards whatever the answer already said is
dropped. So there is neither hole nor duplicate, whatever is committed meanwhile.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from actors.domain.channels import Channel
from actors.ports import EventRecord
from api.realtime.session import Session

HELD_MAX = 1_000
"""Events that wait for one answer; what is more is not kept, and the client told to ask."""

Place = tuple[int, int]
"""(epoch, offset): places of one channel are ordered like these."""

NOWHERE: Place = (-1, -1)


def place(record: EventRecord) -> Place:
    return record.epoch, record.offset


@dataclass(eq=False, slots=True)
class Subscription:
    session: Session
    channel: Channel
    had: Place = NOWHERE
    """Up to here the socket has everything that was sent."""
    held: deque[EventRecord] | None = None
    dropped: EventRecord | None = None
    """The last of the events that were more than ``held`` may hold."""

    def hold(self) -> None:
        if self.held is None:
            self.held = deque()

    def keep(self, record: EventRecord) -> None:
        """Let a live event wait for the answer that is on the way."""
        assert self.held is not None
        if self.dropped is not None or len(self.held) >= HELD_MAX:
            self.dropped = record
        else:
            self.held.append(record)


class Rooms:
    """Membership by channel and by session, kept in step."""

    def __init__(self) -> None:
        self._rooms: dict[Channel, dict[str, Subscription]] = {}
        self._of: dict[str, dict[Channel, Subscription]] = {}
        self._sending: dict[Channel, EventRecord] = {}

    def enter(self, session: Session, channel: Channel, *, held: bool = True) -> Subscription:
        """Be in the channel from now on; a broadcast that is under way counts as later."""
        assert not session.closed, "nobody enters a room after leaving the hub"
        room = self._rooms.setdefault(channel, {})
        subscription = room.get(session.sid)
        if subscription is None:
            subscription = room[session.sid] = Subscription(session, channel)
            self._of.setdefault(session.sid, {})[channel] = subscription
        if held:
            subscription.hold()
            under_way = self._sending.get(channel)
            if under_way is not None:
                subscription.keep(under_way)
        return subscription

    def leave(self, session: Session, channel: Channel) -> bool:
        """Whether the session was in the channel."""
        mine = self._of.get(session.sid, {})
        if mine.pop(channel, None) is None:
            return False
        if not mine:
            del self._of[session.sid]
        room = self._rooms[channel]
        del room[session.sid]
        if not room:
            del self._rooms[channel]
        return True

    def leave_all(self, session: Session) -> None:
        for channel in list(self._of.get(session.sid, ())):
            self.leave(session, channel)

    def subscription(self, session: Session, channel: Channel) -> Subscription | None:
        return self._of.get(session.sid, {}).get(channel)

    def channels_of(self, session: Session) -> Collection[Channel]:
        return self._of.get(session.sid, {}).keys()

    def members(self, channel: Channel) -> Sequence[Subscription]:
        return tuple(self._rooms.get(channel, {}).values())

    @property
    def channels(self) -> Sequence[Channel]:
        return tuple(self._rooms)

    def begin_sending(self, record: EventRecord) -> Sequence[Subscription]:
        """The members that get this event now; who enters until the end gets it held."""
        self._sending[record.channel] = record
        return self.members(record.channel)

    def end_sending(self, channel: Channel) -> None:
        self._sending.pop(channel, None)
