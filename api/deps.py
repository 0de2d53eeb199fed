"""What the API needs of the hub: services, settings, health and metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from actors.ports.clock import Clock, NewId
from actors.services.services import Services
from api.auth import TokenVerifier
from api.ratelimit import RateLimiter
from api.realtime.sse.streams import EventStreams
from api.settings import ApiSettings


class HealthCheck(Protocol):
    """Reports the state of the hub (criterion 10.3)."""

    async def report(self, *, detailed: bool = False) -> Mapping[str, object]:
        """``{"status": "ok" | "degraded" | "down", "database", "realtime", "version", …}``"""
        ...

    async def ready(self) -> bool:
        """Whether a load balancer should send requests here."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppDeps:
    services: Services
    verifier: TokenVerifier
    streams: EventStreams
    limiter: RateLimiter
    """Shared with Socket.IO, so that a principal has one limit on every wire."""
    health: HealthCheck
    clock: Clock
    new_id: NewId
    public_url: str = ""
    """The address of the hub for browsers; empty: not set."""
    settings: ApiSettings
    metrics: Callable[[], tuple[bytes, str]]
    """The text of ``/metrics`` and its content type."""
    on_request: Callable[[str, str, int, float], None]
    """Called after each request with method, route pattern, status and seconds."""


DEPS = web.AppKey("deps", AppDeps)
