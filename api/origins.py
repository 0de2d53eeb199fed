"""Which pages of other origins may call the hub, and connect to it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web


@dataclass(frozen=True, kw_only=True, slots=True)
class CorsRules:
    """What pages of allowed origins may send and read, as the headers name it."""

    methods: str
    headers: str
    exposed: str


API_RULES: Final = CorsRules(
    methods="GET, POST, PUT, DELETE",
    headers=(
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID,"
        " On-Behalf-Of, X-Request-ID"
    ),
    exposed="ETag, Location, Retry-After, X-Request-ID",
)


def cors_origin(request: web.Request, allowed: Collection[str]) -> str | None:
    """The ``Access-Control-Allow-Origin`` of the response; ``None``: the page may not read it."""
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    return "*" if "*" in allowed else origin if origin in allowed else None


def may_connect(request: web.Request, allowed: Collection[str]) -> bool:
    """Whether the client of a socket's request may connect.

    The hub's own pages and those of allowed origins may, and so may programs: they send no
    ``Origin``. Behind a trusted proxy, the host of the request is the one that the client named.
    """
    origin = request.headers.get("Origin")
    if origin is None or cors_origin(request, allowed) is not None:
        return True
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:  # no address at all
        return False
