"""Writing to sockets: the one place where frames are made and handed out.

An event is encoded once for each namespace that has somebody in the room; every socket
gets the same frame.
"""

from typing import Protocol

import orjson
import structlog
from engineio.packet import MESSAGE, Packet  # type: ignore[import-untyped]  # ships no types

from actors.domain.channels import Channel
from actors.ports import EventRecord, Position
from api.realtime.packets import event_text
from api.realtime.rooms import Place, Rooms, Subscription, place
from api.realtime.session import Session
from api.schemas import envelope

log = structlog.get_logger(__name__)


class Sender(Protocol):
    async def send_text(self, eio_sid: str, frame: Packet) -> None: ...


class Frames:
    """One event, encoded at most once per namespace."""

    def __init__(self, event: str, argument: bytes) -> None:
        self._event, self._argument = event, orjson.Fragment(argument)
        self._made: dict[str, Packet] = {}

    def of(self, namespace: str) -> Packet:
        frame = self._made.get(namespace)
        if frame is None:
            text = event_text(namespace, self._event, self._argument)
            frame = self._made[namespace] = Packet(MESSAGE, data=text)
        return frame


class Wire:
    """Implements :class:`actors.ports.Broadcaster` for the Socket.IO rooms."""

    def __init__(self, rooms: Rooms, sender: Sender) -> None:
        self._rooms, self._sender = rooms, sender

    async def broadcast(self, record: EventRecord) -> int:
        """Hand the event to everybody in its channel; returns how many got it.

        A socket that had it from an earlier attempt, or from its catch-up answer, is not
        sent it again.
        """
        members = self._rooms.begin_sending(record)
        if not members:
            self._rooms.end_sending(record.channel)
            return 0
        try:
            frames = Frames(record.type, envelope(record))
            reached = 0
            for subscription in members:
                reached += await self._hand_over(subscription, record, frames)
            return reached
        finally:
            self._rooms.end_sending(record.channel)

    async def _hand_over(
        self, subscription: Subscription, record: EventRecord, frames: Frames
    ) -> bool:
        session = subscription.session
        if session.closed:
            return False
        if subscription.held is not None:
            subscription.keep(record)
        elif place(record) > subscription.had:
            await self._send_once(subscription, record, frames)
        return True

    async def _send_once(
        self, subscription: Subscription, record: EventRecord, frames: Frames
    ) -> None:
        """Counted as had from the first moment: a join meanwhile must not send it again."""
        before, subscription.had = subscription.had, place(record)
        try:
            await self._send(subscription.session, frames)
        except BaseException:
            subscription.had = before
            raise

    async def release(self, subscription: Subscription, answered: Place) -> None:
        """The answer up to ``answered`` was written: let what was held follow it."""
        session = subscription.session
        subscription.had = max(subscription.had, answered)
        held = subscription.held
        while held and not session.closed:
            record = held.popleft()
            if place(record) > subscription.had:
                await self._send_once(subscription, record, Frames(record.type, envelope(record)))
        subscription.held = None
        dropped, subscription.dropped = subscription.dropped, None
        if dropped is not None and not session.closed:
            await self.emit(session, "channel:position", _position(dropped))

    async def emit(self, session: Session, event: str, data: bytes) -> None:
        """An event for one socket alone; ``data`` is ready JSON."""
        await self._send(session, Frames(event, data))

    async def emit_to_room(self, channel: Channel, event: str, data: bytes) -> None:
        """Something that is no row of the log, to all who are not waiting for an answer."""
        frames = Frames(event, data)
        for subscription in self._rooms.members(channel):
            if subscription.held is None and not subscription.session.closed:
                await self._send(subscription.session, frames)

    async def tell_position(self, position: Position) -> None:
        """``channel:position``: up to where the relay is, so a lost last event is seen."""
        await self.emit_to_room(position.channel, "channel:position", _position(position))

    async def _send(self, session: Session, frames: Frames) -> None:
        await self._sender.send_text(session.engine_sid, frames.of(session.namespace))


def _position(at: Position | EventRecord) -> bytes:
    return orjson.dumps({"channel": at.channel, "epoch": at.epoch, "offset": at.offset})
