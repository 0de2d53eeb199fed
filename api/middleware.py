"""The middleware around every request, in the order of ``api/app.py``."""

import re
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from actors.domain.ids import parse_id
from actors.domain.principal import Principal, Role, acting_party
from actors.domain.refusals import ConsentRequired, Forbidden, InvalidToken, NotFound, Refusal
from actors.services.identity import Claims
from api.auth import bearer
from api.client_faults import (
    TooManyConnections,
    check_coding,
    check_length,
    client_left,
    is_client_fault,
)
from api.deps import DEPS
from api.errors import PublicError, error_response, to_public
from api.http.connection import HttpConnection
from api.http.headers import secure
from api.origins import API_RULES, CorsRules, cors_origin
from api.supabase_paths import SERVICE_RULES, service_error, service_of

log = structlog.get_logger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
PRINCIPAL = web.RequestKey("principal", Principal)
CLAIMS = web.RequestKey("claims", Claims)
"""Of the verified token. What outlives the request, a stream or a webhook, ends with it."""
PUBLIC_ERROR = web.RequestKey("public_error", PublicError)
WHY = web.RequestKey("why", str)
"""Why the token was refused: for the log only."""
LOG: Final[web.AppKey[FilteringBoundLogger]] = web.AppKey("log")
"""A bound logger. Binding costs as much as writing a line, so it is done once."""

OPENAPI_PATH: Final = "/api/openapi.json"
HEALTH_PATHS: Final = frozenset({"/health", "/health/live", "/health/ready"})
SOCKET_PREFIXES: Final = ("/socket.io/", "/realtime/v1/websocket", "/socket/websocket")
"""Protocols with error forms and log lines of their own."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
CLIENT_GONE: Final = 499
"""In the log and the metrics only, as nginx has it: the client left before its response."""
_UNKNOWN_ROUTE: Final = "unknown"


def is_api(path: str) -> bool:
    """Whether a request to ``path`` needs a token, known route or not (criterion 5.1)."""
    return (path == "/api" or path.startswith("/api/")) and path != OPENAPI_PATH


def cors_rules(path: str) -> CorsRules | None:
    """The rules for pages of allowed origins; ``None``: they may not read the responses."""
    if is_api(path) or path == OPENAPI_PATH:
        return API_RULES
    return SERVICE_RULES if service_of(path) else None


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and log one line at its end (10.2)."""
    deps = request.app[DEPS]
    sent = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = sent if _REQUEST_ID.fullmatch(sent) else deps.new_id()
    if request.path.startswith(SOCKET_PREFIXES):
        return await handler(request)
    began = deps.clock.monotonic()
    status, streamed = CLIENT_GONE, False
    try:
        response = await handler(request)
        status, streamed = response.status, response.content_type == "text/event-stream"
        return response
    except web.HTTPException as redirect:
        status = redirect.status
        raise
    finally:
        _log_request(request, status, deps.clock.monotonic() - began, streamed=streamed)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into the one form (4.7); log internal ones with a stack trace (10.4)."""
    try:
        _check_connection(request)
        return await handler(request)
    except Exception as error:  # the outermost handler: no detail of an error may leak
        if isinstance(error, web.HTTPException) and error.status < 400:
            raise
        if client_left(request, error):
            return web.Response(status=CLIENT_GONE)
        response = _error_response(request, error)
        if not (isinstance(error, web.HTTPException | Refusal) or is_client_fault(error)):
            log.exception(
                "api_error",
                method=request.method,
                path=request.path,
                status=response.status,
                request_id=request[REQUEST_ID],
            )
        return response


@web.middleware
async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer CORS preflights, which carry no token; the answer depends on settings only."""
    is_preflight = (
        request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    )
    rules = cors_rules(request.path)
    if is_preflight and rules is not None and _cors_origin(request) is not None:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": rules.methods,
                "Access-Control-Allow-Headers": rules.headers,
                "Access-Control-Max-Age": "600",
            },
        )
    return await handler(request)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Verify the token before anything else happens under /api (criterion 5.1).

    Then the request is counted against its principal's rate limit.
    """
    if is_api(request.path):
        principal = await identify(request)
        request.app[DEPS].limiter.take(principal.scope)
        check_length(request)
    check_coding(request)
    return await handler(request)


async def identify(request: web.Request) -> Principal:
    """The principal of the request's token; raises InvalidToken and what Identity raises."""
    deps = request.app[DEPS]
    claims = await deps.verifier.verify(bearer(request.headers.get("Authorization")))
    request[CLAIMS] = claims
    patient = request.headers.get("On-Behalf-Of")
    if claims.role is Role.CHATBOT and patient is not None and parse_id(patient) is None:
        raise NotFound("patient")
    try:
        principal = await deps.services.identity.principal(claims, patient)
    except (Forbidden, ConsentRequired, NotFound):
        deps.limiter.take(claims.scope)  # trying patients one by one is limited, too
        raise
    request[PRINCIPAL] = principal
    return principal


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add security and CORS headers, also to errors and pages; sockets send their own."""
    if request.path.startswith(SOCKET_PREFIXES) and PUBLIC_ERROR not in request:
        return
    headers = response.headers
    secure(headers, request.get(REQUEST_ID, ""))
    rules = cors_rules(request.path)
    if rules is not None and request.app[DEPS].settings.cors_origins:
        headers.add("Vary", "Origin")
        if origin := _cors_origin(request):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = rules.exposed


def _cors_origin(request: web.Request) -> str | None:
    return cors_origin(request, request.app[DEPS].settings.cors_origins)


def _check_connection(request: web.Request) -> None:
    """Raises TooManyConnections unless the connection is served, or checks the health."""
    connection = request.protocol
    if (
        isinstance(connection, HttpConnection)
        and connection.is_reserved
        and request.path not in HEALTH_PATHS
    ):
        raise TooManyConnections


def _error_response(request: web.Request, error: Exception) -> web.Response:
    public = request[PUBLIC_ERROR] = to_public(error)
    if isinstance(error, InvalidToken):
        request[WHY] = error.reason
    if service := service_of(request.path):
        response = service_error(public, service)
    else:
        response = error_response(public, request[REQUEST_ID], request.app[DEPS].clock.now())
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response


def _log_request(request: web.Request, status: int, seconds: float, *, streamed: bool) -> None:
    """Method, path, status, duration: never the query, which may hold personal data."""
    error = request.get(PUBLIC_ERROR)
    failure: dict[str, object] = {} if error is None else {"code": error.code}
    if why := request.get(WHY):
        failure["why"] = why
    if (claims := request.get(CLAIMS)) and (party := acting_party(claims.scope)):
        failure["acting"] = party
    request.app[LOG].info(
        "api_request",
        method=request.method,
        path=request.path,
        status=status,
        duration_ms=round(seconds * 1000, 2),
        request_id=request[REQUEST_ID],
        **failure,
    )
    if not streamed:  # a stream lasts as long as its client reads: that is no response time
        resource = request.match_info.route.resource
        route = resource.canonical if resource else _UNKNOWN_ROUTE
        method = request.method if resource else _UNKNOWN_ROUTE
        request.app[DEPS].on_request(method, route, status, seconds)
