"""What the driving edge is given: services, settings, and how to ask about the hub."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from actors.ports.clock import Clock, NewId
from actors.services.services import Services
from api.auth import TokenVerifier
from api.ratelimit import RateLimiter
from api.realtime.sse.streams import Streams
from api.settings import ApiSettings


class HealthCheck(Protocol):
    """How the hub is (criterion 10.3)."""

    async def report(self, *, detailed: bool = False) -> Mapping[str, Any]:
        """``{"status": "ok" | "degraded" | "down", "database", "realtime", "version", …}``"""
        ...

    async def ready(self) -> bool:
        """Whether a load balancer should send requests here."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppDeps:
    services: Services
    verifier: TokenVerifier
    streams: Streams
    limiter: RateLimiter
    """The one of Socket.IO too, so that a principal has one allowance."""
    health: HealthCheck
    clock: Clock
    new_id: NewId
    settings: ApiSettings = field(default_factory=ApiSettings)
    metrics: Callable[[], tuple[bytes, str]] | None = None
    """The text of ``/metrics`` and its content type."""
    on_request: Callable[[str, str, int, float], None] | None = None
    """Told of each request: method, route pattern, status, seconds."""


DEPS = web.AppKey("deps", AppDeps)
