"""The WebSocket endpoint for Supabase Realtime clients, over the hub's rooms.

A handshake needs a user's token or one of the configured public keys. Authorization is decided
for each topic (:mod:`api.realtime.supabase.client_topics`).
"""

from collections.abc import Mapping
from typing import Final

import orjson
import structlog
from aiohttp import web

from actors.domain.refusals import Forbidden, InvalidToken, Unavailable, ValidationFailed
from actors.tasks import Tasks
from api.errors import to_public
from api.http.forwarded import counted_as
from api.origins import may_connect
from api.ratelimit import RateLimiter
from api.realtime.rooms.connection_limit import ConnectionUsers
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.errors import SocketRequest, refused_connect
from api.realtime.rooms.retiring import one_by_one
from api.realtime.supabase.connection import NAMESPACE, Connection
from api.realtime.supabase.frames import Vsn
from api.realtime.supabase.presence_registry import PresenceRegistry

log = structlog.get_logger(__name__)

PATHS: Final = ("/realtime/v1/websocket", "/socket/websocket")
_CLOSE_S: Final = 1.0
"""How long a client may take to answer a WebSocket close."""
_SERVICE_RESTART: Final = 1012, "the hub restarts"
"""After 1000 or 1001 some clients do not reconnect."""
_SHUTDOWN_S: Final = 2.0
"""How long all sockets may take to close when the hub stops."""


class Supabase:
    """The gateway. Attach it to the application, whose shutdown closes it."""

    def __init__(
        self, deps: RealtimeDeps, presence: PresenceRegistry, message_limiter: RateLimiter
    ) -> None:
        """Messages count against ``message_limiter``; a socket that exceeds it is closed."""
        self._deps, self._presence, self._limiter = deps, presence, message_limiter
        self._connections: set[Connection] = set()
        self._tasks = Tasks()
        self._closing = False

    def attach(self, app: web.Application) -> None:
        for path in PATHS:
            app.router.add_get(path, self.handle, allow_head=False)
        app.on_shutdown.append(self._close)

    def connections(self) -> Mapping[str, int]:
        """The number of connected sockets, in the form of :meth:`Realtime.connections`."""
        return {NAMESPACE: len(self._connections)}

    async def retire(self, over_s: float) -> None:
        """Closes the open sockets, spread over ``over_s``, and still accepts new ones."""
        async for connection in one_by_one(self._connections, over_s):
            self._tasks.start(connection.close(*_SERVICE_RESTART))

    async def _close(self, _: web.Application) -> None:
        """Closes all sockets and accepts no new ones; the clients reconnect soon."""
        self._closing = True
        for connection in list(self._connections):
            self._tasks.start(connection.close(*_SERVICE_RESTART))
        await self._tasks.finish(_SHUTDOWN_S)

    # --- handshakes ---

    async def handle(self, request: web.Request) -> web.StreamResponse:
        connect = SocketRequest(self._deps.new_id(), NAMESPACE, "connect")
        try:
            key, vsn, scope = await self._admit(request)
            users = ConnectionUsers(self._deps.sockets)
            if scope is not None:
                users.enter(scope)
        except Exception as error:  # the outermost handler: no detail of an error may leak
            return self._refusal(error, connect)
        try:
            return await self._serve(request, connect.request_id, key, vsn, users)
        finally:
            if scope is not None:
                users.leave(scope)

    async def _admit(self, request: web.Request) -> tuple[str, Vsn, str | None]:
        """Checks the key before anything else, as every endpoint does.

        The key, the protocol version, and the scope of the user whose token the key is.
        """
        if self._closing:
            raise Unavailable
        key = request.query.get("apikey") or request.headers.get("x-api-key") or ""
        scope = await self._check_key(request, key)
        if not may_connect(request, self._deps.cors_origins):
            raise Forbidden("Pages of this origin may not connect")
        try:
            vsn = Vsn(request.query.get("vsn") or Vsn.ONE)
        except ValueError:
            raise Forbidden(f"vsn is {' or '.join(Vsn)}") from None
        if not web.WebSocketResponse().can_prepare(request):
            raise ValidationFailed.of("Upgrade", "this address accepts WebSocket connections only")
        return key, vsn, scope

    async def _check_key(self, request: web.Request, key: str) -> str | None:
        deps = self._deps
        if not key:
            raise InvalidToken("no apikey")
        if key in deps.settings.supabase_keys:
            deps.limiter.take(f"{NAMESPACE}|{counted_as(request.remote or '')}")
            return None
        claims = await deps.verifier.verify(key)
        principal = await deps.services.identity.principal(claims)
        deps.limiter.take(principal.scope, principal.party)
        return principal.scope

    def _refusal(self, error: Exception, connect: SocketRequest) -> web.Response:
        refused = refused_connect(error, connect, self._deps.clock)
        problem = to_public(error)
        retry_after = problem.retry_after_header
        return web.Response(
            status=problem.status,
            body=orjson.dumps({"error": refused}),
            content_type="application/json",
            headers={"Retry-After": retry_after} if retry_after else None,
        )

    # --- sockets ---

    async def _serve(
        self, request: web.Request, id: str, key: str, vsn: Vsn, users: ConnectionUsers
    ) -> web.StreamResponse:
        settings = self._deps.settings
        socket = web.WebSocketResponse(
            max_msg_size=settings.max_message_bytes,
            compress=False,
            timeout=_CLOSE_S,
            heartbeat=settings.ping_interval_s,
        )
        await socket.prepare(request)
        if request.transport is None:  # the client has gone
            return socket
        connection = Connection(
            self._deps,
            self._presence,
            self._limiter,
            id=id,
            vsn=vsn,
            key=key,
            users=users,
            socket=socket,
            transport=request.transport,
            spawn=self._tasks.start,
        )
        self._connections.add(connection)
        log.info("socket_connected", namespace=NAMESPACE, sid=id, vsn=vsn)
        try:
            if self._closing:
                await connection.close(*_SERVICE_RESTART)
            else:
                await connection.run()
        finally:
            self._connections.discard(connection)
            log.info(
                "socket_disconnected", namespace=NAMESPACE, sid=id, close_code=socket.close_code
            )
        return socket
