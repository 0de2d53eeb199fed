"""One Supabase client: what it sends is done one after the other, and answered."""

from typing import Final

import structlog
from aiohttp import WSMessage, WSMsgType, web

from actors.domain.refusals import Forbidden, RateLimited, ValidationFailed
from api.ratelimit import RateLimiter
from api.realtime.rooms.deps import Attempt, shown
from api.realtime.supabase import messages
from api.realtime.supabase.client_topics import JoinRefused, Spawn, Subscriptions
from api.realtime.supabase.deps import SupabaseDeps
from api.realtime.supabase.frames import MalformedFrame, Message, Vsn, decode
from api.realtime.supabase.presence import TooMuch
from api.realtime.supabase.presence_registry import Halls
from api.realtime.supabase.protocol import (
    Answer,
    Forged,
    Join,
    Leave,
    Renew,
    Track,
    Untrack,
    decide,
)
from api.realtime.supabase.socket_writer import Link

log = structlog.get_logger(__name__)

Command = Join | Leave | Renew | Track | Untrack | Forged

NAMESPACE: Final = "supabase"
"""What these sockets are called in figures and logs, beside Socket.IO's namespaces."""

RESTARTING: Final = 1012
_TRY_AGAIN: Final = 1013
_PROTOCOL_ERROR: Final = 1002
_TOO_MUCH: Final = 1008


class Connection:
    def __init__(
        self,
        deps: SupabaseDeps,
        halls: Halls,
        limiter: RateLimiter,
        *,
        id: str,
        vsn: Vsn,
        key: str,
        socket: web.WebSocketResponse,
        link: Link,
        spawn: Spawn,
    ) -> None:
        self.id, self._link = id, link
        self._deps, self._halls, self._limiter = deps, halls, limiter
        self._vsn, self._socket = vsn, socket
        self._subscriptions = Subscriptions(
            deps, halls, vsn=vsn, key=key, write=link.put, spawn=spawn
        )

    async def run(self) -> None:
        """Until the client, or the hub, ends it; then it has left everything."""
        try:
            await self._listen()
        finally:
            self._subscriptions.leave_all()

    async def end(self, code: int, reason: str) -> None:
        """Hang up, with a reason that the client is told."""
        log.info("supabase_ended", connection=self.id, close_code=code, why=reason)
        await self._link.close(code, reason)

    async def _listen(self) -> None:
        idle_s = self._deps.settings.idle_timeout_s
        while not self._link.closed:
            try:
                frame = await self._socket.receive(timeout=idle_s)
            except TimeoutError:
                await self.end(_TRY_AGAIN, "nothing was said for too long")
                return
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            await self._hear(frame)
            await self._link.read_up()

    async def _hear(self, frame: WSMessage) -> None:
        try:
            self._limiter.take(self.id)
            message = decode(self._vsn, frame.data)
        except RateLimited:
            await self.end(_TOO_MUCH, "too many messages")
        except MalformedFrame as malformed:
            await self.end(_PROTOCOL_ERROR, f"malformed frame: {malformed}")
        else:
            await self._do(message)

    async def _do(self, message: Message) -> None:
        joined = {name: topic.membership for name, topic in self._subscriptions.topics.items()}
        action = decide(self._vsn, message, joined)
        match action:
            case Answer(frame):
                if frame is not None:
                    self._link.put(frame)
            case _:
                await self._command(action)

    async def _command(self, action: Command) -> None:
        """Logged and counted like a command of Socket.IO; no failure ends the socket."""
        deps = self._deps.realtime
        began = deps.clock.monotonic()
        attempt = Attempt(deps.new_id(), NAMESPACE, type(action).__name__.lower())
        code = Forbidden.code if isinstance(action, Forged) else "ok"
        try:
            with structlog.contextvars.bound_contextvars(request_id=attempt.request_id):
                await self._perform(action)
        except (JoinRefused, TooMuch) as no:
            code = no.code if isinstance(no, JoinRefused) else ValidationFailed.code
            self._link.put(messages.refused(self._vsn, action.message, str(no)))
        except Exception as error:  # the edge of every command: nothing may leak
            refused = shown(error, attempt, deps.clock)
            code = refused["code"]
            if not isinstance(action, Renew):  # which is never answered
                reason = f"{code}: {refused['message']}"
                self._link.put(messages.refused(self._vsn, action.message, reason))
        seconds = deps.clock.monotonic() - began
        log.info(
            "socket_command",
            namespace=NAMESPACE,
            command=attempt.event,
            code=code,
            duration_ms=round(seconds * 1_000, 2),
            request_id=attempt.request_id,
            connection=self.id,
        )
        if deps.on_command is not None:
            deps.on_command(NAMESPACE, attempt.event, code, seconds)

    async def _perform(self, action: Command) -> None:
        match action:
            case Join():
                await self._subscriptions.join(action)
            case Leave():
                self._subscriptions.leave(action)
            case Renew():
                await self._subscriptions.renew(action)
            case Track():
                self._track(action)
            case Untrack(message):
                self._halls.untrack(self._subscriptions.topics[message.topic])
                self._link.put(messages.ok(self._vsn, message))
            case Forged(_, answer):
                if answer is not None:
                    self._link.put(answer)

    def _track(self, action: Track) -> None:
        topic = self._subscriptions.topics[action.message.topic]
        if not topic.carries_presence:
            raise Forbidden("Presence belongs to the channels of one person")
        if not topic.presence:
            topic.presence = True
            self._halls.watch(topic)
        self._halls.track(topic, action.said)
        self._link.put(messages.ok(self._vsn, action.message))
