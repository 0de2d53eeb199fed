"""Supabase's services that a hub does not have: errors in the form that their clients read.

supabase-js has a client for each of them. Each reads ``message``, ``code`` and ``hint`` of the
body, and none reads the hub's own form.
"""

import re
from types import MappingProxyType
from typing import Final

import orjson
from aiohttp import web

from api.errors import PublicError
from api.origins import CorsRules

HINT: Final = "Use the hub's own API, under /api; /docs documents it"
SERVICE_RULES: Final = CorsRules(
    methods="GET, HEAD, POST, PUT, PATCH, DELETE",
    headers="*, Authorization",  # each client has headers of its own
    exposed="X-Request-ID, X-Supabase-Api-Version",
)

_SERVICES: Final = MappingProxyType(
    {"rest": "REST", "auth": "Auth", "storage": "Storage", "functions": "Edge Functions"}
)
_PATH: Final = re.compile(rf"/({'|'.join(_SERVICES)})/v1(?:/.*)?", re.DOTALL)
_AUTH_VERSION: Final = "2024-01-01"
"""Of the protocol in which the client of Auth reads ``code``."""


def service_of(path: str) -> str | None:
    """The service whose client requests ``path``, by its first segment."""
    found = _PATH.fullmatch(path)
    return None if found is None else found[1]


def service_error(error: PublicError, service: str) -> web.Response:
    """The error for the client of a service."""
    message = error.message
    if error.status == web.HTTPNotFound.status_code:
        message = f"This hub does not offer Supabase {_SERVICES[service]}"
    body = {"code": error.code, "message": message, "details": None, "hint": HINT}
    response = web.Response(
        status=error.status, body=orjson.dumps(body), content_type="application/json"
    )
    if service == "auth":
        response.headers["X-Supabase-Api-Version"] = _AUTH_VERSION
    return response
