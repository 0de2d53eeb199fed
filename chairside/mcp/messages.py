"""What is refused before the library reads it: messages that are not JSON-RPC, and origins.

The library drops such a line of standard input in silence, takes an ``id`` of null for a
notification, and answers a batch with the text of its own validation.
"""

import contextvars
import json
import logging
from collections import deque
from typing import Final

import anyio
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

BODY_MAX_BYTES: Final = 4 * 1024 * 1024
"""A larger body is left to the library, which refuses it unread (413)."""
_NOT_JSON: Final = "The message is not JSON in UTF-8"
_ONE_OBJECT: Final = "A message is one JSON object; batches are not supported"
_NO_MESSAGE: Final = "The line is no JSON-RPC request, notification or response"


def malformed(body: bytes) -> JSONRPCError | None:
    """The error that answers a message of the wrong form, ``None`` if its form is right."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return _error(PARSE_ERROR, _NOT_JSON)
    if not isinstance(message, dict):
        return _error(INVALID_REQUEST, _ONE_OBJECT)
    if message.get("jsonrpc") != "2.0":
        return _error(INVALID_REQUEST, 'jsonrpc must be "2.0"')
    if "method" not in message:
        answers = "result" in message or "error" in message
        return None if answers else _error(INVALID_REQUEST, "method is needed")
    if not isinstance(message["method"], str):
        return _error(INVALID_REQUEST, "method must be text")
    if "id" in message and not _is_id(message["id"]):
        return _error(INVALID_REQUEST, "id must be text or a whole number")
    if not isinstance(message.get("params"), dict | None):
        return _error(INVALID_PARAMS, "params must be an object", message.get("id"))
    return None


class CheckedMessages:
    """ASGI middleware: refuses bodies of POST that are no message, with status 400."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        received, body = await _read(receive)
        error = malformed(body) if len(body) <= BODY_MAX_BYTES else None
        if error is not None:
            logger.warning("message refused: %s", error.error.message)
            answer = JSONResponse(error.model_dump(mode="json", exclude_unset=True), 400)
            return await answer(scope, receive, send)

        async def again() -> Message:
            return received.popleft() if received else await receive()

        await self._app(scope, again, send)
        return None


class RefuseOrigins:
    """ASGI middleware: refuses web pages of other origins, with status 403.

    The library checks origins only together with names of hosts, and those that an address other
    than loopback is reached by are not known.
    """

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None or origin in self._allowed:
            return await self._app(scope, receive, send)
        logger.warning("request of a web page refused: its origin is not allowed")
        return await Response("Invalid Origin header", 403)(scope, receive, send)


class CheckedStream:
    """The messages of standard input; answers lines that are none, which the library drops."""

    def __init__(
        self,
        lines: ContextReceiveStream[SessionMessage | Exception],
        replies: ContextSendStream[SessionMessage],
    ) -> None:
        self._lines, self._replies = lines, replies

    @property
    def last_context(self) -> contextvars.Context | None:
        return self._lines.last_context

    async def receive(self) -> SessionMessage | Exception:
        while isinstance(message := await self._lines.receive(), Exception):
            error = _error_of_line(message)
            logger.warning("message refused: %s", error.error.message)
            await self._replies.send(SessionMessage(error))
        return message

    async def aclose(self) -> None:
        await self._lines.aclose()

    def __aiter__(self) -> "CheckedStream":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> "CheckedStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _error_of_line(error: Exception) -> JSONRPCError:
    kinds = {one["type"] for one in error.errors()} if isinstance(error, ValidationError) else set()
    if "json_invalid" in kinds:
        return _error(PARSE_ERROR, _NOT_JSON)
    return _error(INVALID_REQUEST, _NO_MESSAGE)


async def _read(receive: Receive) -> tuple[deque[Message], bytes]:
    """The body, until it is complete or too large, and the messages that it came in."""
    received, body = deque[Message](), bytearray()
    while len(body) <= BODY_MAX_BYTES:
        received.append(await receive())
        body += received[-1].get("body", b"")
        if not received[-1].get("more_body", False):
            break
    return received, bytes(body)


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _error(code: int, message: str, message_id: str | int | None = None) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=message_id, error=ErrorData(code=code, message=message))
