"""One connected client in one namespace."""

import asyncio
from dataclasses import dataclass, field

from actors.domain.channels import Channel
from actors.domain.principal import Principal, Role
from actors.services.changes import Since
from actors.services.identity import Claims

NAMESPACES = ("/dentist", "/patient", "/chatbot", "/admin")


@dataclass(kw_only=True, eq=False, slots=True)
class Session:
    """What is known of it; compared by identity."""

    sid: str
    engine_sid: str
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


def namespace_of(claims: Claims) -> str:
    """The only namespace a token may use: whoever acts for a patient is a chatbot."""
    if claims.actor is not None or claims.role is Role.CHATBOT:
        return "/chatbot"
    return f"/{claims.role}"
