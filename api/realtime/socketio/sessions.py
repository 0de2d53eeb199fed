"""The sessions of Socket.IO clients, from the token to the last frame (criteria 5.1, 5.2)."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import orjson
import structlog

from actors.domain.channels import own_channels
from actors.domain.refusals import (
    ConsentRequired,
    Forbidden,
    InvalidToken,
    NotFound,
    Unavailable,
    ValidationFailed,
)
from actors.tasks import Spawn
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.errors import SocketRequest, public_error, refused_connect
from api.realtime.rooms.expiry import TokenExpiry
from api.realtime.rooms.joins import check_count
from api.realtime.socketio.inputs import AUTH, token_of
from api.realtime.socketio.library import NAMESPACES, Client, ConnectionRefused
from api.realtime.socketio.session import SocketSession, namespace_of
from api.schemas import load
from api.schemas.fields import instant_text

log = structlog.get_logger(__name__)


class SocketSessions:
    """Admits the clients of all namespaces, renews their tokens, and ends their sessions.

    Implements :class:`api.realtime.socketio.library.Admission`.
    """

    def __init__(self, deps: RealtimeDeps, spawn: Spawn) -> None:
        self._deps, self._context, self._spawn = deps, deps.context, spawn
        self._sessions: dict[str, SocketSession] = {}
        self._connected: dict[tuple[str, str], SocketSession] = {}
        """By Engine.IO session and namespace."""
        self.closing = False
        """The hub stops: no client is admitted any more."""
        self._expiry = TokenExpiry(
            deps.clock,
            notice_s=deps.settings.expiring_notice_s,
            leeway_s=deps.verifier.leeway_s,
            announce=self._announce_expiry,
            end=self._end,
        )

    def of(self, eio_sid: str, namespace: str) -> SocketSession | None:
        """The session of a client that may send commands: it knows that it is connected."""
        return self._connected.get((eio_sid, namespace))

    def counts(self) -> Mapping[str, int]:
        found = Counter(session.namespace for session in self._sessions.values())
        return {namespace: found[namespace] for namespace in NAMESPACES}

    # --- connecting ---

    async def admit(self, client: Client, auth: object) -> None:
        """Open a session; if it raises ConnectionRefused, nothing has changed."""
        request = SocketRequest(self._deps.new_id(), client.namespace, "connect")
        try:
            session = await self._checked(client, auth)
            self._deps.sockets.enter(session.principal.scope)
        except Exception as error:  # the edge of every connection: no error may leak
            refused = refused_connect(error, request, self._deps.clock)
            raise ConnectionRefused(str(refused["code"]), refused) from None
        self._sessions[client.sid] = session
        self._context.revocations.watch(session, partial(self._end, session))
        log.info(
            "socket_connected",
            namespace=client.namespace,
            sid=client.sid,
            request_id=request.request_id,
        )

    async def _checked(self, client: Client, auth: object) -> SocketSession:
        """Token, namespace, input, in this order, before a profile may be created."""
        if self.closing:
            raise Unavailable
        claims = await self._deps.verifier.verify(token_of(auth))
        if namespace_of(claims) != client.namespace:
            raise Forbidden("Your role may not use this namespace")
        request = load(AUTH, auth, where="auth")
        try:
            principal = await self._deps.services.identity.principal(claims, request.on_behalf_of)
        except (Forbidden, ConsentRequired, NotFound):
            self._deps.limiter.take(claims.scope, claims.party)
            raise
        self._deps.limiter.take(principal.scope, principal.party)
        since = request.since or {}
        wanted = {**dict.fromkeys(own_channels(principal)), **since}
        check_count(principal, "since", since)
        await self._deps.services.access.check(principal, since)
        return SocketSession(
            client=client,
            principal=principal,
            claims=claims,
            on_behalf_of=request.on_behalf_of,
            since=wanted,
        )

    def connected(self, sid: str) -> None:
        """Join the client's channels, now that it knows that it is connected."""
        if session := self._sessions.get(sid):
            self._connected[session.client.eio_sid, session.namespace] = session
            self._spawn(self._make_ready(session))
            self._expiry.watch(session)

    async def _make_ready(self, session: SocketSession) -> None:
        """Send ``hub:ready`` with the missed events, then the live ones."""
        async with session.joining:
            try:
                joined = await self._context.joins.join(session, session.principal, session.since)
            except Exception as error:  # a database outage, for example: the client connects again
                request = SocketRequest(self._deps.new_id(), session.namespace, "hub:ready")
                public_error(error, request, self._deps.clock)
                await session.client.hang_up()
                return
            channels = {name: orjson.Fragment(answer) for name, answer in joined.answers.items()}
            session.emit("hub:ready", orjson.dumps({"channels": channels}))
            self._context.joins.release(joined)
            session.since = {}

    # --- tokens ---

    async def renew(self, session: SocketSession, data: Mapping[str, object]) -> bytes:
        """Replace the token by one of the same user with the same permissions."""
        claims = await self._deps.verifier.verify(token_of(data))
        if unknown := [name for name in data if name != "token"]:
            raise ValidationFailed.of(unknown[0][:100], "Unknown field.")
        old = session.claims
        if (claims.subject, claims.role, claims.actor) != (old.subject, old.role, old.actor):
            raise Forbidden("The new token is for another user")
        principal = await self._deps.services.identity.principal(claims, session.on_behalf_of)
        if principal != session.principal:
            raise Forbidden("The new token has other rights")
        if session.closed:
            raise Unavailable
        if not self._deps.verifier.trusts(claims):
            raise InvalidToken("the key was withdrawn meanwhile")
        session.claims = claims
        self._expiry.watch(session)
        return _expires_at(session)

    def _announce_expiry(self, session: SocketSession) -> None:
        session.emit("auth:expiring", _expires_at(session))

    def _end(self, session: SocketSession) -> None:
        """End the session for good: its token expired, or was revoked."""
        self._connected.pop((session.client.eio_sid, session.namespace), None)  # no command more
        session.emit("auth:expired", _expires_at(session))
        self._spawn(session.client.disconnect())

    # --- ending ---

    def disconnected(self, sid: str, reason: str) -> None:
        session = self._sessions.pop(sid, None)
        if session is None:
            return
        session.closed = True
        self._connected.pop((session.client.eio_sid, session.namespace), None)
        self._deps.sockets.leave(session.principal.scope)
        self._expiry.forget(session)
        self._context.revocations.forget(session)
        self._context.rooms.leave_all(session)
        log.info("socket_disconnected", namespace=session.namespace, sid=sid, reason=reason)

    def end_all(self, reason: str) -> None:
        for sid in list(self._sessions):
            self.disconnected(sid, reason)


def _expires_at(session: SocketSession) -> bytes:
    return orjson.dumps({"expires_at": instant_text(session.claims.expires_at)})
