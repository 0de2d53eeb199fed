"""The parts and settings that the gateway for Supabase clients is built from."""

from dataclasses import dataclass

from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Rights
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.supabase.presence_sync import PresencePeers


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseSettings:
    keys: tuple[str, ...] = ()
    """Public keys of front ends, like the ``anon`` key of a Supabase project. They open a socket
    and grant nothing else. A user's token opens one, too."""
    idle_timeout_s: float = 90.0
    """A socket is closed after so long without a message; clients send one every 25 s."""
    messages_per_s: float = 50.0
    """The average rate of messages of one socket; a socket that exceeds it is closed."""
    messages_burst: int = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseDeps:
    realtime: RealtimeDeps
    """Shared with Socket.IO: verifier, limits, settings, metrics."""
    sending: SendPolicy
    rooms: Rooms
    joins: Joins
    rights: Rights
    peers: PresencePeers | None = None
    """The other nodes, if this process is one of several."""
    settings: SupabaseSettings = SupabaseSettings()
