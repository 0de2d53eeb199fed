"""The parts that live connections are built from."""

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.ports.clock import Clock, NewId
from actors.services.services import Services
from api.auth import TokenVerifier
from api.ratelimit import RateLimiter
from api.realtime.rooms.broadcaster import RoomBroadcaster
from api.realtime.rooms.connection_limit import ConnectionLimit
from api.realtime.rooms.joins import Joins, Positions
from api.realtime.rooms.revocations import Revocations
from api.realtime.rooms.rooms import Rooms
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.rooms.settings import RealtimeSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomsContext:
    """Subscriptions, catch-up, broadcasts, revocations and send limits of one hub."""

    rooms: Rooms
    joins: Joins
    broadcaster: RoomBroadcaster
    revocations: Revocations
    send_policy: SendPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class RealtimeDeps:
    services: Services
    context: RoomsContext
    verifier: TokenVerifier
    clock: Clock
    new_id: NewId
    positions: Positions
    """``Relay.positions``: where each channel's live delivery is."""
    limiter: RateLimiter
    """Shared with REST, so that each principal has one rate limit."""
    settings: RealtimeSettings = field(default_factory=RealtimeSettings)
    cors_origins: tuple[str, ...] = ()
    """Other origins whose pages may connect; ``*`` is any. The hub's own always may."""
    sockets: ConnectionLimit = field(default_factory=lambda: ConnectionLimit(0))
    """The sockets of every principal, of all protocols together."""
    commands_max: int = 32
    """Commands of one socket that may be under way at once."""
    on_command: Callable[[str, str, str, float], None] = lambda *_: None
    """Called for each command: namespace, event, outcome (``ok`` or code), seconds."""
    on_slow: Callable[[], None] = lambda: None
    """Called for each connection that is closed because its client does not read."""
