"""What the gateway for Supabase clients is given."""

from dataclasses import dataclass

from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Rights
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseSettings:
    keys: tuple[str, ...] = ()
    """Public keys of front ends: they open a socket and nothing more, like a project's
    ``anon`` key. A user's token opens one, too."""
    idle_timeout_s: float = 90.0
    """A socket that says nothing for so long is closed; clients say something every 25 s."""
    messages_per_s: float = 50.0
    messages_burst: int = 200
    """Messages of one socket, on average and at once; more closes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseDeps:
    realtime: RealtimeDeps
    """The very same as Socket.IO's: verifier, limits, settings, counters."""
    sending: SendPolicy
    rooms: Rooms
    joins: Joins
    rights: Rights
    settings: SupabaseSettings = SupabaseSettings()
