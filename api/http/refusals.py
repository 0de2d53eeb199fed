"""Answers to what never reaches the middleware: text that is not HTTP, and heads too late."""

from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from actors.ports.clock import Clock, NewId
from api.client_faults import client_left, is_client_fault
from api.errors import (
    INTERNAL,
    NOT_HTTP,
    TOO_SLOW,
    UNKNOWN_CODING,
    PublicError,
    error_response,
    to_public,
)
from api.http.headers import secure

log = structlog.get_logger(__name__)

_UNKNOWN: Final = "unknown"
"""The method and the route of what is no request, in metrics."""


class HttpRefusals:
    """Refuses in the one form of errors, with one log line that quotes nothing."""

    def __init__(
        self, clock: Clock, new_id: NewId, on_request: Callable[[str, str, int, float], None]
    ) -> None:
        """``on_request`` is called with method, route, status and seconds, for the metrics."""
        self._clock, self._new_id, self._on_request = clock, new_id, on_request

    def unreadable(self, request: web.BaseRequest, error: BaseException | None) -> web.Response:
        public = UNKNOWN_CODING if isinstance(error, ContentEncodingError) else NOT_HTTP
        return self._refuse(public, why=type(error).__name__)

    def failed(self, request: web.BaseRequest, error: BaseException | None) -> web.Response:
        if client_left(request, error):
            return web.Response(status=499)
        if error is not None and is_client_fault(error):
            return self._refuse(to_public(error), why=type(error).__name__)
        log.error("request_failed", exc_info=error)
        return self._refuse(INTERNAL, why=type(error).__name__)

    def raised(self, request: web.BaseRequest, error: web.HTTPException) -> web.Response:
        return self._refuse(to_public(error), why=error.reason)

    def too_slow(self) -> bytes:
        response = self._refuse(TOO_SLOW, why="head")
        body = response.body
        assert isinstance(body, bytes)
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + body

    def _refuse(self, error: PublicError, *, why: str) -> web.Response:
        """``why`` is for the log, and never text of the request."""
        request_id = self._new_id()
        response = error_response(error, request_id, self._clock.now())
        secure(response.headers, request_id)
        log.info(
            "http_refused", status=error.status, code=error.code, why=why, request_id=request_id
        )
        self._on_request(_UNKNOWN, _UNKNOWN, error.status, 0.0)
        return response
