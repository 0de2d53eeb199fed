"""Supabase Realtime's WebSocket, served beside Socket.IO over the same rooms.

A handshake is let in with a user's token or one of the configured public keys; what a
client may hear is decided topic by topic (:mod:`api.realtime.supabase.client_topics`).
"""

from collections.abc import Awaitable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web

from actors.domain.refusals import Forbidden, InvalidToken, Unavailable, ValidationFailed
from api.errors import problem_of
from api.ratelimit import RateLimiter
from api.realtime.rooms.deps import Attempt, reason_of, shown
from api.realtime.rooms.retiring import one_by_one
from api.realtime.rooms.tasks import Tasks, guarded
from api.realtime.supabase.connection import NAMESPACE, RESTARTING, Connection
from api.realtime.supabase.deps import SupabaseDeps
from api.realtime.supabase.frames import Vsn
from api.realtime.supabase.presence_registry import Halls
from api.realtime.supabase.presence_sync import Exchange, OtherNodes
from api.realtime.supabase.socket_writer import Link

log = structlog.get_logger(__name__)

PATHS: Final = ("/realtime/v1/websocket", "/socket/websocket")
_CLOSE_S: Final = 1.0
"""How long a peer may take to answer a WebSocket close."""
_RESTARTS: Final = "the hub restarts"
_GOODBYE_S: Final = 2.0
"""How long all sockets may take to close when the hub stops."""


class Supabase:
    """Attach it to the application; it is closed when that shuts down."""

    def __init__(self, deps: SupabaseDeps) -> None:
        self._deps = deps
        self._halls = Halls(deps.realtime.new_id)
        self._limiter = RateLimiter(
            rate_per_s=deps.settings.messages_per_s,
            burst=deps.settings.messages_burst,
            monotonic=deps.realtime.clock.monotonic,
        )
        self._exchange: Exchange | None = None
        self._running: set[Connection] = set()
        self._tasks = Tasks()
        self._closing = False

    def attach(self, app: web.Application) -> None:
        for path in PATHS:
            app.router.add_get(path, self.handle, allow_head=False)

        async def close(_: web.Application) -> None:
            await self.close()

        app.on_shutdown.append(close)

    def connections(self) -> Mapping[str, int]:
        """Connected sockets, in the form of :meth:`api.realtime.Realtime.connections`."""
        return {NAMESPACE: len(self._running)}

    # --- one presence over all nodes ---

    def share_presence(self, others: OtherNodes) -> None:
        """This hub is several processes: from now on their presence is one."""
        self._exchange = Exchange(self._halls, others, self._deps.realtime.clock.monotonic)

    def say_presence(self) -> None:
        """To be called every :data:`~api.realtime.supabase.presence_sync.SAY_EVERY_S`."""
        if self._exchange is not None:
            self._exchange.say()

    def hear_presence(self, node: str, said: Mapping[str, Any]) -> None:
        """What another node said. Raises as :meth:`Exchange.hear` does."""
        if self._exchange is not None:
            self._exchange.hear(node, said)

    # --- going ---

    async def retire(self, over_s: float) -> None:
        """Send everybody elsewhere, over a while; whoever still comes is served."""
        async for connection in one_by_one(self._running, over_s):
            self._tasks.start(connection.end(RESTARTING, _RESTARTS))

    async def close(self) -> None:
        """Ask every client to come back soon; nobody comes in any more."""
        self._closing = True
        for connection in list(self._running):
            self._tasks.start(connection.end(RESTARTING, _RESTARTS))
        await self._tasks.finish(_GOODBYE_S)

    # --- coming in ---

    async def handle(self, request: web.Request) -> web.StreamResponse:
        attempt = Attempt(self._deps.realtime.new_id(), NAMESPACE, "connect")
        try:
            key, vsn = await self._admitted(request)
        except Exception as error:  # the edge of every connection: nothing may leak
            return self._refusal(error, attempt)
        return await self._serve(request, attempt.request_id, key, vsn)

    async def _admitted(self, request: web.Request) -> tuple[str, Vsn]:
        """The key first, as everywhere; nothing else is looked at before it."""
        if self._closing:
            raise Unavailable
        key = request.query.get("apikey") or request.headers.get("x-api-key") or ""
        await self._check_key(request, key)
        origin = request.headers.get("Origin")
        if origin is not None and not self._may_connect(origin, request):
            raise Forbidden("Pages of this origin may not connect")
        try:
            vsn = Vsn(request.query.get("vsn") or Vsn.ONE)
        except ValueError:
            raise Forbidden(f"vsn is {' or '.join(Vsn)}") from None
        if not web.WebSocketResponse().can_prepare(request):
            raise ValidationFailed.of("Upgrade", "this address speaks WebSocket only")
        return key, vsn

    async def _check_key(self, request: web.Request, key: str) -> None:
        deps = self._deps.realtime
        if not key:
            raise InvalidToken("no apikey")
        if key in self._deps.settings.keys:
            deps.limiter.take(f"{NAMESPACE}|{request.remote}")
            return
        claims = await deps.verifier.verify(key)
        principal = await deps.services.identity.principal(claims)
        deps.limiter.take(principal.scope)

    def _may_connect(self, origin: str, request: web.Request) -> bool:
        """Socket.IO's rule: the hub's own pages, and those of the configured origins."""
        allowed = self._deps.realtime.settings.cors_origins
        if "*" in allowed or origin in allowed:
            return True
        host = request.headers.get("X-Forwarded-Host") or request.host
        return urlsplit(origin).netloc == host

    def _refusal(self, error: Exception, attempt: Attempt) -> web.Response:
        refused = shown(error, attempt, self._deps.realtime.clock)
        problem = problem_of(error)
        log.info(
            "socket_refused",
            namespace=NAMESPACE,
            code=refused["code"],
            why=reason_of(error),
            request_id=attempt.request_id,
        )
        response = web.json_response(
            {"error": refused},
            status=problem.status,
            dumps=lambda content: orjson.dumps(content).decode(),
        )
        if problem.retry_after_header:
            response.headers["Retry-After"] = problem.retry_after_header
        return response

    async def _serve(self, request: web.Request, id: str, key: str, vsn: Vsn) -> web.StreamResponse:
        settings = self._deps.realtime.settings
        socket = web.WebSocketResponse(
            max_msg_size=settings.max_message_bytes,
            compress=False,
            timeout=_CLOSE_S,
            heartbeat=settings.ping_interval_s,
        )
        await socket.prepare(request)
        if request.transport is None:  # gone already
            return socket
        link = Link(
            socket,
            request.transport,
            self._deps.sending,
            on_slow=lambda waiting: self._slow(id, waiting),
        )
        connection = Connection(
            self._deps,
            self._halls,
            self._limiter,
            id=id,
            vsn=vsn,
            key=key,
            socket=socket,
            link=link,
            spawn=self._spawn,
        )
        self._running.add(connection)
        log.info("socket_connected", namespace=NAMESPACE, sid=id, vsn=vsn)
        try:
            if self._closing:
                await connection.end(RESTARTING, _RESTARTS)
            else:
                await connection.run()
        finally:
            self._running.discard(connection)
            log.info(
                "socket_disconnected", namespace=NAMESPACE, sid=id, close_code=socket.close_code
            )
        return socket

    def _slow(self, id: str, waiting_bytes: int) -> None:
        log.warning("socket_too_slow", namespace=NAMESPACE, sid=id, waiting_bytes=waiting_bytes)
        self._deps.realtime.on_slow()

    def _spawn(self, work: Awaitable[None]) -> None:
        self._tasks.start(guarded(work))
