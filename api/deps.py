"""What the driving edge is given: services, settings, and how to ask about the hub."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from aiohttp import web

from actors.ports.clock import Clock, NewId
from actors.services.services import Services
from api.auth import TokenVerifier
from api.ratelimit import RateLimiter
from api.realtime.sse.streams import Streams


class Health(Protocol):
    """How the hub is (criterion 10.3)."""

    async def report(self, *, detailed: bool = False) -> Mapping[str, Any]:
        """``{"status": "ok" | "degraded" | "down", "database", "realtime", "version", …}``"""
        ...

    async def ready(self) -> bool:
        """Whether a load balancer should send requests here."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiSettings:
    max_body_bytes: int = 256 * 1024
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the API, e.g. ``https://clinic.example``; ``*`` is any."""
    frame_origins: tuple[str, ...] = ()
    """Origins whose pages may show the screens in a frame and sign them in."""
    metrics: Literal["public", "admin", "off"] = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class AppDeps:
    services: Services
    verifier: TokenVerifier
    streams: Streams
    limiter: RateLimiter
    """The one of Socket.IO too, so that a principal has one allowance."""
    health: Health
    clock: Clock
    new_id: NewId
    settings: ApiSettings = ApiSettings()
    metrics: Callable[[], tuple[bytes, str]] | None = None
    """The text of ``/metrics`` and its content type."""
    on_request: Callable[[str, str, int, float], None] | None = None
    """Told of each request: method, route pattern, status, seconds."""


DEPS = web.AppKey("deps", AppDeps)
