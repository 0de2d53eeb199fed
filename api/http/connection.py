"""One connection of HTTP/1.1: aiohttp's, with deadlines and the hub's form of errors.

aiohttp closes only connections that wait for a request, after an hour, and answers malformed
requests by itself, in plain text and with a stack trace in the log.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol, cast

from aiohttp import StreamReader, web
from aiohttp.http import WebSocketReader
from aiohttp.http_exceptions import HttpProcessingError

from api.client_faults import RequestTooSlow, is_client_fault
from api.http.connections import ConnectionTable
from api.http.settings import ServerSettings

PROXY_IDLE_S: Final = 300.0
"""Trusted proxies keep connections for later requests, and close them by themselves."""
RESERVED_S: Final = 2.0
"""How long each step of a reserved connection may take."""
_ANSWER_S: Final = 5.0
"""How long a handler whose request was too slow may take to refuse it."""
_CLOSE_S: Final = 1.0
"""How long a client may take to read the last answer."""
_AIOHTTP_IDLE_S: Final = 3630.0
"""aiohttp's own deadline, which never passes: those here are shorter."""
PRIVATE_NAMES: Final = {"BaseProtocol._reading_paused": "aiohttp re-parses only what was paused"}
"""Private names of aiohttp, each with its use; ``tests/unit/test_http_deadlines.py`` pins them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadlines:
    """In seconds: for each step of a request, from the end of the step before."""

    first_byte_s: float
    head_s: float
    body_s: float
    send_s: float
    keep_alive_s: float

    @classmethod
    def of(cls, settings: ServerSettings) -> "Deadlines":
        return cls(
            first_byte_s=settings.first_byte_timeout_s,
            head_s=settings.head_timeout_s,
            body_s=settings.body_timeout_s,
            send_s=settings.send_timeout_s,
            keep_alive_s=settings.keep_alive_s,
        )


class Refusals(Protocol):
    """Answers what never reached a handler. The log must not quote the request."""

    def unreadable(self, request: web.BaseRequest, error: BaseException | None) -> web.Response:
        """The answer to what is no HTTP."""
        ...

    def failed(self, request: web.BaseRequest, error: BaseException | None) -> web.Response:
        """The answer when a handler failed in a way that no middleware caught."""
        ...

    def raised(self, request: web.BaseRequest, error: web.HTTPException) -> web.StreamResponse:
        """The answer to what aiohttp refused before any middleware."""
        ...

    def too_slow(self) -> bytes:
        """A whole response to a request whose head did not arrive in time."""
        ...


class Phase(Enum):
    """What a connection waits for."""

    REQUEST = auto()
    """The first byte of a request."""
    HEAD = auto()
    BODY = auto()
    """The handler runs, and the body may be incomplete."""
    ANSWER = auto()
    """The handler runs, for as long as it likes."""
    SEND = auto()
    UPGRADED = auto()


_REQUEST: Final = Phase.REQUEST  # Python 3.11 is slow at looking up an enumeration's member


class HttpConnection(web.RequestHandler):
    """A connection with a place in a table. One timer serves all its deadlines."""

    __slots__ = (
        "_deadlines",
        "_due_s",
        "_payload",
        "_phase",
        "_raw",
        "_refusals",
        "_table",
        "_timer",
        "_timer_s",
        "is_of_proxy",
        "is_reserved",
        "peer",
    )

    def __init__(
        self,
        server: web.Server,
        table: ConnectionTable,
        deadlines: Deadlines,
        refusals: Refusals,
        *,
        peer: str,
        is_of_proxy: bool,
        max_line_bytes: int,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is no log
            keepalive_timeout=_AIOHTTP_IDLE_S,
            max_line_size=max_line_bytes,
            max_field_size=max_line_bytes,
        )
        self._table, self._deadlines, self._refusals = table, deadlines, refusals
        self.peer, self.is_of_proxy = peer, is_of_proxy
        self._raw: asyncio.Transport | None = None
        """Kept until the connection has ended: aiohttp forgets it when it closes it."""
        self._payload: StreamReader | None = None
        self._phase, self._due_s = Phase.REQUEST, math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        self.is_reserved = False
        """It may only check the health of the process."""

    # --- the connection ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.is_reserved = not self._table.open(self, self.peer)
        super().connection_made(transport)
        self._wait(Phase.REQUEST, self._deadlines.first_byte_s)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._raw = None
        self._table.closed(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def close_now(self) -> None:
        """Close it at once, without an answer."""
        if self._raw is not None:
            self._raw.abort()

    # --- the steps of a request --------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if (
            self._phase is _REQUEST
            and data  # aiohttp calls this without, to continue what it has buffered
            and (self._payload is None or self._payload.is_eof())
        ):
            self._wait(Phase.HEAD, self._deadlines.head_s)
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Does nothing unless reading was paused: aiohttp would parse nothing once more."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def request_begins(self, payload: StreamReader) -> None:
        """The head has arrived, and a handler gets the request."""
        self._table.works(self)
        self._payload = payload
        if payload.is_eof():
            self._phase, self._due_s = Phase.ANSWER, math.inf
        else:
            self._wait(Phase.BODY, self._deadlines.body_s)

    def set_parser(
        self, parser: WebSocketReader, data_received_cb: Callable[[], None] | None = None
    ) -> None:
        """The request became a WebSocket, which has heartbeats instead of deadlines."""
        self._phase, self._due_s = Phase.UPGRADED, math.inf
        super().set_parser(parser, data_received_cb)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if resp.status >= 400 and isinstance(resp, web.HTTPException):
            resp = self._refusals.raised(request, resp)
        if self.is_reserved:
            resp.force_close()
        self._wait(Phase.SEND, self._deadlines.send_s)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._table.waits(self)
            self._wait(Phase.REQUEST, self._deadlines.keep_alive_s)

    def body_may_take(self, seconds: float) -> None:
        """Gives the rest of the body of this request another deadline, from now."""
        if self._phase is Phase.BODY:
            self._wait(Phase.BODY, seconds)

    # --- deadlines ---------------------------------------------------------------------

    def _wait(self, phase: Phase, within_s: float) -> None:
        now = self._loop.time()
        if self.is_reserved:
            within_s = min(within_s, RESERVED_S)
        self._phase, self._due_s = phase, now + within_s
        if self._due_s < self._timer_s:
            self._set_timer(self._due_s)

    def _set_timer(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = self._loop.call_at(at_s, self._check), at_s

    def _check(self) -> None:
        self._timer, self._timer_s = None, math.inf
        if self._raw is None or self._due_s == math.inf:
            return
        if self._loop.time() < self._due_s:
            self._set_timer(self._due_s)
        else:
            self._too_late(self._raw)

    def _too_late(self, transport: asyncio.Transport) -> None:
        match self._phase:
            case Phase.HEAD:
                transport.write(self._refusals.too_slow())
                self._wait(Phase.SEND, _CLOSE_S)
                self.force_close()
            case Phase.BODY if self._payload is not None and not self._payload.is_eof():
                self._payload.set_exception(RequestTooSlow())
                self._wait(Phase.SEND, _ANSWER_S)
            case Phase.BODY:
                self._phase, self._due_s = Phase.ANSWER, math.inf
            case _:
                transport.abort()

    # --- errors ------------------------------------------------------------------------

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse in the hub's form. aiohttp's message may quote the request."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun, so the connection ends")
        is_unreadable = isinstance(exc, HttpProcessingError)
        refuse = self._refusals.unreadable if is_unreadable else self._refusals.failed
        response = refuse(request, exc)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log our own failures; what a client did is in the line of its request.

        A handler's failure does not come here, so a ConnectionError is the client's.
        """
        error = kw.get("exc_info")
        if not isinstance(error, ConnectionError) and not is_client_fault(error):
            super().log_exception(*args, **kw)
