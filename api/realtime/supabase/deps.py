"""The parts and settings that the gateway for Supabase clients is built from."""

from dataclasses import dataclass

from api.ratelimit import RateLimiter
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.joins import Joins
from api.realtime.rooms.revocations import Rights
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.supabase.presence_sync import PresencePeers


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseDeps:
    realtime: RealtimeDeps
    """Shared with Socket.IO: verifier, limits, settings, metrics."""
    sending: SendPolicy
    rooms: Rooms
    joins: Joins
    rights: Rights
    message_limiter: RateLimiter
    """Of the messages of each socket; a socket that exceeds it is closed."""
    peers: PresencePeers | None = None
    """The other nodes, if this process is one of several."""
