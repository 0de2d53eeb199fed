"""What happens to every request before and after its handler, in the order of app.py."""

import re
from typing import Final

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.typing import FilteringBoundLogger

from actors.domain.principal import Principal, Role
from actors.domain.refusals import InvalidToken, NotFound, Refusal
from actors.services.identity import Claims
from api.auth import bearer
from api.deps import DEPS
from api.errors import PublicError, error_body, to_public
from api.schemas.fields import parse_id

log = structlog.get_logger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
PRINCIPAL = web.RequestKey("principal", Principal)
CLAIMS = web.RequestKey("claims", Claims)
"""Of the verified token; what lasts longer than a request must know when it ends."""
PUBLIC_ERROR = web.RequestKey("problem", PublicError)
WHY = web.RequestKey("why", str)
LOG: Final[web.AppKey[FilteringBoundLogger]] = web.AppKey("log")
"""A bound logger of structlog's: binding one costs as much as a line, and each request has one."""

OPENAPI_PATH: Final = "/api/openapi.json"
NO_FRAMES: Final = "frame-ancestors 'none'"
SOCKET_PREFIXES: Final = ("/socket.io/", "/realtime/v1/websocket", "/socket/websocket")
"""Their protocol has its own forms of errors, and its own log."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_CLIENT_GONE: Final = 499
_UNKNOWN_ROUTE: Final = "unknown"


def is_api(path: str) -> bool:
    """Whether a request to ``path`` needs a token, known route or not (criterion 5.1)."""
    return (path == "/api" or path.startswith("/api/")) and path != OPENAPI_PATH


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A request id for everything said about this request; one log line at its end (10.2)."""
    deps = request.app[DEPS]
    sent = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = sent if _REQUEST_ID.fullmatch(sent) else deps.new_id()
    if request.path.startswith(SOCKET_PREFIXES):
        return await handler(request)
    began = deps.clock.monotonic()
    status, streamed = _CLIENT_GONE, False
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
    """Whatever goes wrong becomes the one form (4.7); our own faults are logged whole (10.4)."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _problem_response(request, error)
    except Refusal as error:
        return _problem_response(request, error)
    except Exception as error:  # the edge of every request: nothing may leak
        response = _problem_response(request, error)
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
    """Browsers ask without a token whether they may ask; the answer depends on config only."""
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if asks and is_api(request.path) and allowed_origin(request) is not None:
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
                "Access-Control-Allow-Headers": (
                    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match,"
                    " Last-Event-ID, On-Behalf-Of, X-Request-ID"
                ),
                "Access-Control-Max-Age": "600",
            },
        )
    return await handler(request)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nothing under /api is looked at before its token is verified (criterion 5.1)."""
    if is_api(request.path):
        await identify(request)
    return await handler(request)


@web.middleware
async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    if principal := request.get(PRINCIPAL):
        request.app[DEPS].limiter.take(principal.scope)
    return await handler(request)


async def identify(request: web.Request) -> Principal:
    """The principal of the request's token; raises InvalidToken and what Identity raises."""
    deps = request.app[DEPS]
    claims = await deps.verifier.verify(bearer(request.headers.get("Authorization")))
    patient = request.headers.get("On-Behalf-Of")
    if claims.role is Role.CHATBOT and patient is not None and parse_id(patient) is None:
        raise NotFound("patient")
    principal = await deps.services.identity.principal(claims, patient)
    request[PRINCIPAL], request[CLAIMS] = principal, claims
    return principal


def allowed_origin(request: web.Request) -> str | None:
    """What to answer the request's ``Origin`` with, if it may read the answer."""
    origin, allowed = request.headers.get("Origin"), request.app[DEPS].settings.cors_origins
    if origin is None:
        return None
    return "*" if "*" in allowed else origin if origin in allowed else None


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, errors and pages included; sockets answer for themselves."""
    if request.path.startswith(SOCKET_PREFIXES):
        return
    headers = response.headers
    headers["X-Request-ID"] = request.get(REQUEST_ID, "")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    policy = headers.setdefault("Content-Security-Policy", f"default-src 'none'; {NO_FRAMES}")
    if NO_FRAMES in policy:
        headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-store")
    if request.app[DEPS].settings.cors_origins and request.path.startswith("/api"):
        headers.add("Vary", "Origin")
        if origin := allowed_origin(request):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "ETag, Location, Retry-After, X-Request-ID"


def _problem_response(request: web.Request, error: Exception) -> web.Response:
    problem = request[PUBLIC_ERROR] = to_public(error)
    if isinstance(error, InvalidToken):
        request[WHY] = error.reason
    body = error_body(problem, request[REQUEST_ID], request.app[DEPS].clock.now())
    response = web.Response(
        status=problem.status, body=orjson.dumps(body), content_type="application/json"
    )
    if problem.retry_after_header:
        response.headers["Retry-After"] = problem.retry_after_header
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response


def _log_request(
    request: web.Request, status: int, seconds: float, *, streamed: bool = False
) -> None:
    """Method, path, status, duration: never the query, which may hold anything."""
    problem = request.get(PUBLIC_ERROR)
    told: dict[str, object] = {} if problem is None else {"code": problem.code}
    if why := request.get(WHY):
        told["why"] = why
    request.app[LOG].info(
        "api_request",
        method=request.method,
        path=request.path,
        status=status,
        duration_ms=round(seconds * 1000, 2),
        request_id=request[REQUEST_ID],
        **told,
    )
    if streamed:
        return  # how long somebody listened says nothing of how long an answer takes
    if on_request := request.app[DEPS].on_request:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else _UNKNOWN_ROUTE
        method = request.method if resource else _UNKNOWN_ROUTE
        on_request(method, route, status, seconds)
