"""The session of one Socket.IO client in one namespace."""

import asyncio
from dataclasses import dataclass, field

import orjson

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.services.identity import Claims
from api.realtime.rooms.frames import Frame, Frames, Send
from api.realtime.rooms.subscribers import EventBatch, WireForms
from api.realtime.socketio.library import Client
from api.realtime.socketio.packets import ack_frame, event_frame
from api.schemas import envelope


@dataclass(kw_only=True, eq=False, slots=True)
class SocketSession:
    """An admitted client, compared by identity.

    Implements :class:`api.realtime.rooms.subscribers.Subscriber` for its channels.
    """

    client: Client
    sid: str = field(init=False)
    namespace: str = field(init=False)
    send: Send = field(init=False)
    principal: Principal
    claims: Claims
    on_behalf_of: str | None
    since: dict[Channel, Position | None]
    """The positions that the client sent; empty once it has joined those channels."""
    joining: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Joins and leaves of one client are done one after the other."""
    commands: int = 0
    """How many commands have got an id."""
    running: int = 0
    """Commands that were not answered yet."""
    closed: bool = False
    scope: str = field(init=False)
    """Of the principal: commands count against its rate limit."""
    party: str | None = field(init=False)
    """The chatbot that sends them, whose limit they count against, too."""

    def __post_init__(self) -> None:
        self.sid, self.namespace = self.client.sid, self.client.namespace
        self.send = self.client.send
        self.scope, self.party = self.principal.scope, self.principal.party

    @property
    def may_be_joining(self) -> bool:
        """A join is running, or comes before the next command."""
        return bool(self.running or self.since or self.joining.locked())

    def next_request_id(self) -> str:
        """The id of one command. It names the session, too, for the log."""
        self.commands += 1
        return f"{self.sid}.{self.commands}"

    def deliver(self, batch: EventBatch) -> None:
        self.send(batch.forms(self.namespace, lambda: self._encoded(batch)))

    def _encoded(self, batch: EventBatch) -> Frame | Frames:
        frames = [
            event_frame(self.namespace, record.type, envelope(record)) for record, _ in batch.events
        ]
        return frames[0] if len(frames) == 1 else Frames(frames)

    def notify_position(self, channel: Channel, position: Position, forms: WireForms) -> None:
        where = {"channel": channel, "epoch": position.epoch, "offset": position.offset}
        self.notify("channel:position", orjson.dumps(where), forms)

    def notify(self, event: str, data: bytes, forms: WireForms) -> None:
        self.send(forms(self.namespace, lambda: event_frame(self.namespace, event, data)))

    def acknowledge(self, ack_id: int | None, head: bytes, data: bytes) -> None:
        """Answer a command with an object: its beginning, and the JSON that completes it."""
        if ack_id is not None:
            self.send(ack_frame(self.namespace, ack_id, head, data))

    def emit(self, event: str, data: bytes) -> None:
        """Send an event to this client alone; ``data`` is ready JSON."""
        self.send(event_frame(self.namespace, event, data))


def namespace_of(claims: Claims) -> str:
    """The only namespace of a token: a token that acts for a patient is a chatbot's."""
    if claims.actor is not None or claims.role is Role.CHATBOT:
        return "/chatbot"
    return f"/{claims.role}"
