"""One Supabase client: executes its messages in order and replies to them."""

import asyncio
from typing import Final

import structlog
from aiohttp import WSMessage, WSMsgType, web

from actors.domain.refusals import Forbidden, RateLimited, ValidationFailed
from actors.tasks import Spawn
from api.ratelimit import RateLimiter
from api.realtime.rooms.command_log import CommandLog
from api.realtime.rooms.connection_limit import ConnectionUsers
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.errors import SocketRequest, public_error
from api.realtime.rooms.send_buffer import SendBuffer
from api.realtime.supabase import protocol
from api.realtime.supabase.client_topics import ClientTopics, JoinRefused
from api.realtime.supabase.frames import MalformedFrame, Vsn, decode, error_reply, ok_reply
from api.realtime.supabase.presence import PresenceLimitExceeded
from api.realtime.supabase.presence_registry import PresenceRegistry

log = structlog.get_logger(__name__)

NAMESPACE: Final = "supabase"
"""The name of these sockets in metrics and logs, beside the namespaces of Socket.IO."""

_CLOSE_S: Final = 1.5
"""Bound of the close: the client reads what is queued and answers."""
_POLL_S: Final = 0.02
_UNREAD_BYTES_MAX: Final = 131_072
"""The hub reads no further messages of a client that leaves more of its answers unread."""
_TRY_AGAIN_LATER: Final = 1013
_PROTOCOL_ERROR: Final = 1002
_POLICY_VIOLATION: Final = 1008


class Connection:
    """Reads the messages of one socket until the client or the hub closes it."""

    def __init__(
        self,
        deps: RealtimeDeps,
        presence: PresenceRegistry,
        limiter: RateLimiter,
        *,
        id: str,
        vsn: Vsn,
        key: str,
        users: ConnectionUsers,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        spawn: Spawn,
    ) -> None:
        self.id, self._vsn, self._socket, self._transport = id, vsn, socket, transport
        self._deps, self._presence, self._limiter = deps, presence, limiter
        self._buffer = SendBuffer(deps.context.send_policy, self._too_slow)
        self._buffer.write_to(transport)
        self._write = self._buffer.put
        self._log = CommandLog(deps.on_command)
        self._closed = False
        self._topics = ClientTopics(
            deps, presence, vsn=vsn, key=key, users=users, write=self._write, spawn=spawn
        )

    async def run(self) -> None:
        """Returns when the socket is closed; its topics have then been left."""
        try:
            await self._read_messages()
        finally:
            self._topics.leave_all()

    async def close(self, code: int, reason: str) -> None:
        """Sends what is queued and the reason, and waits a bounded time for the answer."""
        log.info("supabase_ended", connection=self.id, close_code=code, why=reason)
        self._closed = True
        self._buffer.end()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            self._abort()

    def _abort(self) -> None:
        self._closed = True
        self._buffer.clear()
        self._transport.abort()

    def _too_slow(self, waiting_bytes: int) -> None:
        log.warning(
            "socket_too_slow", namespace=NAMESPACE, sid=self.id, waiting_bytes=waiting_bytes
        )
        self._deps.on_slow()
        self._abort()

    async def _read_messages(self) -> None:
        idle_s = self._deps.settings.idle_timeout_s
        while not self._closed:
            try:
                frame = await self._socket.receive(timeout=idle_s)
            except TimeoutError:
                await self.close(_TRY_AGAIN_LATER, "no message for too long")
                return
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            await self._handle(frame)
            while self._is_behind():  # noqa: ASYNC110  # a transport's buffer has no event
                await asyncio.sleep(_POLL_S)

    def _is_behind(self) -> bool:
        """Whether the client is to read its answers before the next message is read."""
        gone = self._closed or self._transport.is_closing()
        return not gone and self._buffer.unsent_bytes > _UNREAD_BYTES_MAX

    async def _handle(self, frame: WSMessage) -> None:
        try:
            self._limiter.take(self.id)
            message = decode(self._vsn, frame.data)
        except RateLimited:
            await self.close(_POLICY_VIOLATION, "too many messages")
            return
        except MalformedFrame as malformed:
            await self.close(_PROTOCOL_ERROR, f"malformed frame: {malformed}")
            return
        topic = self._topics.by_name.get(message.topic)
        action = protocol.decide(self._vsn, message, topic.join if topic else None)
        if not isinstance(action, protocol.Respond):
            await self._execute_logged(action)
        elif action.frame is not None:
            self._write(action.frame)

    async def _execute_logged(self, command: protocol.TopicCommand) -> None:
        """Logs and counts the command like one of Socket.IO; no failure ends the socket."""
        deps = self._deps
        began = deps.clock.monotonic()
        request = SocketRequest(deps.new_id(), NAMESPACE, command.name)
        code = Forbidden.code if isinstance(command, protocol.RejectBroadcast) else "ok"
        try:
            with structlog.contextvars.bound_contextvars(request_id=request.request_id):
                await self._execute(command)
        except (JoinRefused, PresenceLimitExceeded) as refusal:
            code = refusal.code if isinstance(refusal, JoinRefused) else ValidationFailed.code
            self._write(error_reply(self._vsn, command.message, str(refusal)))
        except Exception as error:  # the outermost handler: no detail of an error may leak
            refused = public_error(error, request, deps.clock)
            code = str(refused["code"])
            if not isinstance(command, protocol.RenewToken):  # there is no reply to it
                reason = f"{code}: {refused['message']}"
                self._write(error_reply(self._vsn, command.message, reason))
        seconds = deps.clock.monotonic() - began
        self._log.add(
            NAMESPACE, request.event, code, seconds, request.request_id, connection=self.id
        )

    async def _execute(self, command: protocol.TopicCommand) -> None:
        match command:
            case protocol.Join():
                await self._topics.join(command)
            case protocol.Leave():
                self._topics.leave(command)
            case protocol.RenewToken():
                await self._topics.renew(command)
            case protocol.Track():
                self._track(command)
            case protocol.Untrack(message):
                self._presence.untrack(self._topics.by_name[message.topic])
                self._write(ok_reply(self._vsn, message))
            case protocol.RejectBroadcast(_, reply):
                if reply is not None:
                    self._write(reply)

    def _track(self, command: protocol.Track) -> None:
        topic = self._topics.by_name[command.message.topic]
        if not topic.carries_presence:
            raise Forbidden("Presence belongs to the channels of one person")
        if not topic.presence:
            topic.presence = True
            self._presence.watch(topic)
        self._presence.track(topic, command.meta)
        self._write(ok_reply(self._vsn, command.message))
