"""Errors of live connections: what the client receives, and what the log records."""

from typing import NamedTuple

import structlog

from actors.domain.refusals import InvalidToken, Refusal
from actors.ports.clock import Clock
from api.errors import error_body, to_public

log = structlog.get_logger(__name__)


class SocketRequest(NamedTuple):
    """A connect, command or join, as logs and errors name it."""

    request_id: str
    namespace: str
    event: str
    """A known name, or ``unknown``: never a client's own text."""


def public_error(error: Exception, request: SocketRequest, clock: Clock) -> dict[str, object]:
    """The REST error object; internal errors are logged with their stack trace (10.4)."""
    problem = to_public(error)
    if not isinstance(error, Refusal):
        log.error(
            "socket_error",
            namespace=request.namespace,
            command=request.event,
            code=problem.code,
            request_id=request.request_id,
            exc_info=error,
        )
    return error_body(problem, request.request_id, clock.now())["error"]


def refused_connect(error: Exception, request: SocketRequest, clock: Clock) -> dict[str, object]:
    """The error object of a refused client. Only the log has the reason for a refused token."""
    refused = public_error(error, request, clock)
    log.info(
        "socket_refused",
        namespace=request.namespace,
        code=refused["code"],
        why=error.reason if isinstance(error, InvalidToken) else None,
        request_id=request.request_id,
    )
    return refused
