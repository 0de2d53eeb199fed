"""The middleware around every request: each step is a function."""

import re
from collections.abc import Collection
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from actors.domain.ids import parse_id
from actors.domain.principal import Principal, Role
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
from api.deps import DEPS, AppDeps
from api.errors import PublicError, error_response, to_public
from api.http.connection import HttpConnection
from api.http.headers import secure
from api.origins import API_RULES, CorsRules, cors_origin
from api.plain_pages import error_page, is_for_browser
from api.request_log import Fields, RequestLog
from api.supabase_paths import SERVICE_RULES, service_error, service_of

log = structlog.get_logger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
PRINCIPAL = web.RequestKey("principal", Principal)
CLAIMS = web.RequestKey("claims", Claims)
"""Of the verified token. What outlives the request, a stream or a webhook, ends with it."""

IMPORT_PATH: Final = "/api/imports"
OPENAPI_PATH: Final = "/api/openapi.json"
HEALTH_PATHS: Final = frozenset({"/health", "/health/live", "/health/ready"})
SOCKET_PREFIXES: Final = ("/socket.io/", "/realtime/v1/websocket", "/socket/websocket")
"""Protocols with error forms and log lines of their own."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
CLIENT_GONE: Final = 499
"""In the log and the metrics only, as nginx has it: the client left before its response."""


def is_api(path: str) -> bool:
    """Whether a request to ``path`` needs a token, known route or not (criterion 5.1)."""
    return (path == "/api" or path.startswith("/api/")) and path != OPENAPI_PATH


def cors_rules(path: str) -> CorsRules | None:
    """The rules for pages of allowed origins; ``None``: they may not read the responses."""
    if is_api(path) or path == OPENAPI_PATH:
        return API_RULES
    return SERVICE_RULES if service_of(path) else None


class Middleware:
    """What happens around every request, in the order of :meth:`handle`."""

    def __init__(self, deps: AppDeps) -> None:
        self._deps, self._log = deps, RequestLog(deps.on_request)

    @web.middleware
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give the request its id, check it, answer it, and log one line at its end (10.2).

        Nothing under /api happens before the token was verified (criterion 5.1). Then the
        request is counted against its principal's rate limit.
        """
        deps, path = self._deps, request.path
        began, is_socket = deps.clock.monotonic(), path.startswith(SOCKET_PREFIXES)
        request_id = request[REQUEST_ID] = _request_id(request) or deps.new_id()
        response: web.StreamResponse | None = None
        failure: Fields = {}
        try:
            _check_connection(request)
            response = _preflight(request, deps.settings.cors_origins)
            if response is None:
                if is_api(path):
                    principal = await identify(request, deps)
                    deps.limiter.take(principal.scope, principal.party)
                    if request.path != IMPORT_PATH:  # its handler has another limit
                        check_length(request, request.client_max_size)
                check_coding(request)
                response = await handler(request)
        except Exception as error:  # the outermost handler: no detail of an error may leak
            response, failure = _refused(request, error)
        finally:
            if not is_socket:
                self._log_request(request, request_id, response, began, failure)
        if failure or not (is_socket or response.prepared):
            add_headers(request, response, request_id, deps.settings.cors_origins)
        return response

    def _log_request(
        self,
        request: web.Request,
        request_id: str,
        response: web.StreamResponse | None,
        began: float,
        failure: Fields,
    ) -> None:
        if CLAIMS in request and (party := request[CLAIMS].party):
            failure = {**failure, "acting": party}
        seconds = self._deps.clock.monotonic() - began
        status = CLIENT_GONE if response is None else response.status
        # a stream lasts as long as its client reads: that is no response time
        counts = response is None or not response.prepared
        self._log.add(request, request_id, status, seconds, counts=counts, more=failure)


async def identify(request: web.Request, deps: AppDeps) -> Principal:
    """The principal of the request's token; raises InvalidToken and what Identity raises."""
    token = bearer(request.headers.get("Authorization"))
    claims = deps.verifier.verified(token) or await deps.verifier.verify(token)
    request[CLAIMS] = claims
    patient = request.headers.get("On-Behalf-Of")
    principal = None if patient is not None else deps.services.identity.known(claims)
    if principal is None:
        principal = await _looked_up(deps, claims, patient)
    request[PRINCIPAL] = principal
    return principal


async def _looked_up(deps: AppDeps, claims: Claims, patient: str | None) -> Principal:
    if claims.role is Role.CHATBOT and patient is not None and parse_id(patient) is None:
        raise NotFound("patient")
    try:
        return await deps.services.identity.principal(claims, patient)
    except (Forbidden, ConsentRequired, NotFound):
        deps.limiter.take(claims.scope, claims.party)  # trying patients one by one is limited, too
        raise


def add_headers(
    request: web.Request, response: web.StreamResponse, request_id: str, allowed: Collection[str]
) -> None:
    """Add security and CORS headers, also to errors and pages; sockets send their own.

    ``allowed``: the origins whose pages may read the response.
    """
    headers = response.headers
    secure(headers, request_id)
    if allowed and (rules := cors_rules(request.path)):
        headers.add("Vary", "Origin")
        if origin := cors_origin(request, allowed):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = rules.exposed


def _request_id(request: web.Request) -> str | None:
    """The id that the client sent, if it may have sent it."""
    sent = request.headers.get("X-Request-ID")
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else None


def _preflight(request: web.Request, allowed: Collection[str]) -> web.Response | None:
    """The answer to a CORS preflight, which carries no token; it depends on settings only."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    rules = cors_rules(request.path)
    if rules is None or cors_origin(request, allowed) is None:
        return None
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": rules.methods,
            "Access-Control-Allow-Headers": rules.headers,
            "Access-Control-Max-Age": "600",
        },
    )


def _check_connection(request: web.Request) -> None:
    """Raises TooManyConnections unless the connection is served, or checks the health."""
    connection = request.protocol
    if (
        isinstance(connection, HttpConnection)
        and connection.is_reserved
        and request.path not in HEALTH_PATHS
    ):
        raise TooManyConnections


def _answer(request: web.Request, error: PublicError) -> web.Response:
    """The error in the form that its reader understands: a service's, ours, or a page."""
    if service := service_of(request.path):
        return service_error(error, service)
    response = error_response(error, request[REQUEST_ID], request.app[DEPS].clock.now())
    if not is_for_browser(request):
        return response
    page = error_page(request, error, request[REQUEST_ID])
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def _refused(request: web.Request, error: Exception) -> tuple[web.Response, Fields]:
    """The error in the one form (4.7), and its fields for the log.

    Internal errors are logged with a stack trace (10.4).
    """
    if client_left(request, error):
        return web.Response(status=CLIENT_GONE), {}
    public, fields = to_public(error), dict[str, object]()
    fields["code"] = public.code
    if isinstance(error, InvalidToken):
        fields["why"] = error.reason
    response = _answer(request, public)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    if not (isinstance(error, web.HTTPException | Refusal) or is_client_fault(error)):
        log.error(
            "api_error",
            method=request.method,
            path=request.path,
            status=response.status,
            request_id=request[REQUEST_ID],
            exc_info=error,
        )
    return response, fields
