"""The parts and settings that the gateway for Supabase clients is built from."""

from dataclasses import dataclass

from api.ratelimit import RateLimiter
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.supabase.presence_registry import PresenceRegistry


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseDeps:
    """The parts that the gateway shares with the rest of the hub."""

    realtime: RealtimeDeps
    """Shared with Socket.IO: verifier, limits, settings, metrics."""
    presence: PresenceRegistry
    message_limiter: RateLimiter
    """Of the messages of each socket; a socket that exceeds it is closed."""
