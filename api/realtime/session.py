"""One connected Socket.IO client in one namespace."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from engineio.packet import MESSAGE, Packet  # type: ignore[import-untyped]  # ships no types

from actors.domain.channels import Channel
from actors.domain.principal import Principal, Role
from actors.ports import EventRecord, Position
from actors.services.changes import Since
from actors.services.identity import Claims
from api.realtime.packets import event_text
from api.realtime.subscribers import Once
from api.schemas import envelope

NAMESPACES = ("/dentist", "/patient", "/chatbot", "/admin")


@dataclass(kw_only=True, eq=False, slots=True)
class Session:
    """What is known of it; compared by identity. A :class:`Subscriber` of its channels."""

    sid: str
    engine_sid: str
    write: Callable[[Packet], None]
    """Sends a ready frame, at once or behind what is queued; gone is no error."""
    namespace: str
    principal: Principal
    claims: Claims
    on_behalf_of: str | None
    since: dict[Channel, Since | None]
    """Positions the client came with; used once, for ``hub:ready``."""
    joining: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Joins and leaves of one socket happen one after the other."""
    running: int = 0
    """Commands that were not answered yet."""
    closed: bool = False
    told_expiring: bool = False
    timer: asyncio.TimerHandle | None = None

    def deliver(self, record: EventRecord, once: Once) -> None:
        self.write(once(self.namespace, lambda: self._frame(record.type, envelope(record))))

    def tell_position(self, position: Position, once: Once) -> None:
        where = {"channel": position.channel, "epoch": position.epoch, "offset": position.offset}
        frame = once(self.namespace, lambda: self._frame("channel:position", orjson.dumps(where)))
        self.write(frame)

    def tell(self, event: str, data: bytes, once: Once) -> None:
        self.write(once(self.namespace, lambda: self._frame(event, data)))

    def emit(self, event: str, data: bytes) -> None:
        """An event for this client alone; ``data`` is ready JSON."""
        self.write(self._frame(event, data))

    def _frame(self, event: str, argument: bytes) -> Packet:
        text = event_text(self.namespace, event, orjson.Fragment(argument))
        return Packet(MESSAGE, data=text)


def namespace_of(claims: Claims) -> str:
    """The only namespace a token may use: whoever acts for a patient is a chatbot."""
    if claims.actor is not None or claims.role is Role.CHATBOT:
        return "/chatbot"
    return f"/{claims.role}"
