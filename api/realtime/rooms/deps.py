"""What the Socket.IO edge is given, and what it tells of its failures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from actors.domain.refusals import InvalidToken, Refusal
from actors.ports.clock import Clock, NewId
from actors.services.services import Services
from api.auth import TokenVerifier
from api.errors import error_body, problem_of
from api.ratelimit import RateLimiter
from api.realtime.rooms.joins import Positions
from api.realtime.rooms.settings import RealtimeSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RealtimeDeps:
    services: Services
    verifier: TokenVerifier
    clock: Clock
    new_id: NewId
    positions: Positions
    """``Relay.positions``: where each channel's live delivery is."""
    limiter: RateLimiter
    """The one of REST, so that a principal has one allowance."""
    settings: RealtimeSettings = field(default_factory=RealtimeSettings)
    cors_origins: tuple[str, ...] = ()
    """Other origins whose pages may connect; ``*`` is any. The hub's own always may."""
    commands_max: int = 32
    """Commands of one socket that may be under way at once."""
    on_command: Callable[[str, str, str, float], None] | None = None
    """Told of each command: namespace, event, outcome (``ok`` or code), seconds."""
    on_slow: Callable[[], None] = lambda: None
    """Told of each socket that is closed because it does not read."""


@dataclass(slots=True)
class Attempt:
    """What somebody tried, for logs and errors."""

    request_id: str
    namespace: str
    event: str
    """A known name, or ``unknown``: never what a client made up."""


def shown(error: Exception, attempt: Attempt, clock: Clock) -> dict[str, Any]:
    """The REST error object; our own faults are logged with their stack trace (10.4)."""
    problem = problem_of(error)
    if not isinstance(error, Refusal):
        log.error(
            "socket_error",
            namespace=attempt.namespace,
            command=attempt.event,
            code=problem.code,
            request_id=attempt.request_id,
            exc_info=error,
        )
    return error_body(problem, attempt.request_id, clock.now())["error"]


def reason_of(error: Exception) -> str | None:
    """Why a token was not accepted: for the log, never for its owner."""
    return error.reason if isinstance(error, InvalidToken) else None
