"""The parts and settings that the gateway for Supabase clients is built from."""

from dataclasses import dataclass

from api.ratelimit import RateLimiter
from api.realtime.rooms.context import RoomsContext
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.supabase.presence_sync import PresencePeers


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseDeps:
    """The parts that the gateway shares with the rest of the hub."""

    realtime: RealtimeDeps
    """Shared with Socket.IO: verifier, limits, settings, metrics."""
    context: RoomsContext
    message_limiter: RateLimiter
    """Of the messages of each socket; a socket that exceeds it is closed."""
    peers: PresencePeers | None = None
    """The other nodes, if this process is one of several."""
