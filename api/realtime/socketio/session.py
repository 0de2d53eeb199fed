"""One connected Socket.IO client in one namespace."""

import asyncio
from dataclasses import dataclass, field

import orjson

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.services.identity import Claims
from api.realtime.rooms.frames import Frame, Frames, Send
from api.realtime.rooms.subscribers import Batch, Once
from api.realtime.socketio.library import Client
from api.realtime.socketio.packets import event_frame
from api.schemas import envelope


@dataclass(kw_only=True, eq=False, slots=True)
class SocketSession:
    """A client that was admitted; compared by identity. A :class:`Subscriber` of its channels."""

    client: Client
    sid: str = field(init=False)
    namespace: str = field(init=False)
    send: Send = field(init=False)
    principal: Principal
    claims: Claims
    on_behalf_of: str | None
    since: dict[Channel, Position | None]
    """Positions the client came with, until it is in those channels, with ``hub:ready``."""
    joining: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Joins and leaves of one socket happen one after the other."""
    commands: int = 0
    """So many were given an id of their own."""
    running: int = 0
    """Commands that wait for something, and so were not answered yet."""
    closed: bool = False
    told_expiring: bool = False
    timer: asyncio.TimerHandle | None = None
    scope: str = field(init=False)
    """Of its principal: whose allowance its commands use up."""

    def __post_init__(self) -> None:
        self.sid, self.namespace = self.client.sid, self.client.namespace
        self.send = self.client.send
        self.scope = self.principal.scope

    @property
    def may_be_joining(self) -> bool:
        """A join is under way, or comes before whatever is asked now."""
        return bool(self.running or self.since or self.joining.locked())

    def next_request_id(self) -> str:
        """Of one command; by it the log shows the connection, too."""
        self.commands += 1
        return f"{self.sid}.{self.commands}"

    def deliver(self, batch: Batch) -> None:
        self.send(batch.joined(self.namespace, lambda: self._encoded(batch)))

    def _encoded(self, batch: Batch) -> Frame | Frames:
        frames = [
            event_frame(self.namespace, record.type, envelope(record)) for record, _ in batch.each
        ]
        return frames[0] if len(frames) == 1 else Frames(frames)

    def tell_position(self, channel: Channel, position: Position, once: Once) -> None:
        where = {"channel": channel, "epoch": position.epoch, "offset": position.offset}
        self.tell("channel:position", orjson.dumps(where), once)

    def tell(self, event: str, data: bytes, once: Once) -> None:
        self.send(once(self.namespace, lambda: event_frame(self.namespace, event, data)))

    def emit(self, event: str, data: bytes) -> None:
        """An event for this client alone; ``data`` is ready JSON."""
        self.send(event_frame(self.namespace, event, data))


def namespace_of(claims: Claims) -> str:
    """The only namespace a token may use: whoever acts for a patient is a chatbot."""
    if claims.actor is not None or claims.role is Role.CHATBOT:
        return "/chatbot"
    return f"/{claims.role}"
