"""The commands of clients: checked, limited, executed, acknowledged and logged."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from actors.domain.channels import Channel
from actors.domain.principal import Principal
from actors.domain.refusals import Unavailable, ValidationFailed
from actors.services.services import Services
from api.realtime.rooms.command_log import CommandLog
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.errors import SocketRequest, public_error
from api.realtime.rooms.joins import check_count
from api.realtime.socketio.inputs import JOIN, LEAVE, only_object
from api.realtime.socketio.session import SocketSession
from api.realtime.socketio.sessions import SocketSessions
from api.schemas import load


@dataclass(slots=True)
class Ack:
    """The acknowledgement of a command."""

    body: bytes
    """Ready JSON."""
    written: Callable[[], None] | None = None
    """Called when the acknowledgement was written."""


Pending = Awaitable[Ack | bytes]
"""A command that waits for something; bytes are the data of a successful answer."""
Command = Callable[[SocketSession, str, dict[str, object]], Ack | Pending]
"""For a session, with a request id and data."""
ServiceCommand = Callable[[Services, Principal, str, Mapping[str, object]], Awaitable[bytes]]
"""Of the services, for a principal, with a request id and data; it returns JSON."""


class CommandHandler:
    """Executes the commands of all sessions, and acknowledges each of them."""

    def __init__(
        self,
        deps: RealtimeDeps,
        sessions: SocketSessions,
        commands: Mapping[str, ServiceCommand],
    ) -> None:
        self._deps, self._sessions = deps, sessions
        self._rooms, self._joins = deps.context.rooms, deps.context.joins
        self._monotonic = deps.clock.monotonic
        self._log = CommandLog(deps.on_command)
        self._commands: Final[Mapping[str, Command]] = {
            **{name: self._of_services(command) for name, command in commands.items()},
            "channel:join": self._join,
            "channel:leave": self._leave,
            "auth:refresh": lambda session, _, data: sessions.renew(session, data),
        }

    def _of_services(self, command: ServiceCommand) -> Command:
        services = self._deps.services
        return lambda session, request_id, data: command(
            services, session.principal, request_id, data
        )

    def handle(self, sid: str, event: str, arguments: list[object]) -> Ack | Awaitable[Ack]:
        """Execute one command, and log it like a request (10.2); raises nothing.

        A command that waits for nothing is answered at once, without a task. Refusals are.
        """
        session, began = self._sessions.find(sid), self._monotonic()
        command = self._commands.get(event)
        request = SocketRequest(
            session.next_request_id() if session else self._deps.new_id(),
            session.namespace if session else "",
            "unknown" if command is None else event,
        )
        try:
            if session is None or session.closed or self._sessions.closing:
                raise Unavailable
            self._deps.limiter.take(session.scope)
            if session.running >= self._deps.commands_max:
                raise Unavailable
            data = only_object(arguments)
            if command is None:
                raise ValidationFailed.of("event", "there is no such command")
            answer = command(session, request.request_id, data)
        except Exception as error:  # the edge of every command: no error may leak
            return self._refused(request, began, error)
        if isinstance(answer, Ack):
            self._handled(request, "ok", began)
            return answer
        session.running += 1
        return self._finish(session, request, began, answer)

    async def _finish(
        self, session: SocketSession, request: SocketRequest, began: float, pending: Pending
    ) -> Ack:
        # the server awaits this in a task, whose context is its own
        structlog.contextvars.bind_contextvars(request_id=request.request_id)
        try:
            answer = await pending
        except Exception as error:  # the edge of every command: no error may leak
            return self._refused(request, began, error)
        finally:
            session.running -= 1
        self._handled(request, "ok", began)
        return answer if isinstance(answer, Ack) else _ok(answer)

    def _refused(self, request: SocketRequest, began: float, error: Exception) -> Ack:
        refusal = public_error(error, request, self._deps.clock)
        self._handled(request, str(refusal["code"]), began)
        return Ack(orjson.dumps({"ok": False, "error": refusal}))

    def _handled(self, request: SocketRequest, code: str, began: float) -> None:
        seconds = self._monotonic() - began
        self._log.add(request.namespace, request.event, code, seconds, request.request_id)

    # --- commands of the session itself ---

    async def _join(self, session: SocketSession, _: str, data: dict[str, object]) -> Ack:
        request = load(JOIN, data, where="data")
        channel, since = request.channel, request.since
        await session.joining.acquire()
        try:
            check_count("channel", len({*self._rooms.channels_of(session), channel}))
            await self._deps.services.access.check(session.principal, (channel,))
            joined = await self._joins.join(session, session.principal, {channel: since})
            answer = joined.answers.get(channel)
            if answer is None:
                raise Unavailable  # the client disconnected meanwhile
        except BaseException:
            session.joining.release()
            raise

        def written() -> None:
            try:
                self._joins.release(joined)
            finally:
                session.joining.release()

        return _ok(answer, written)

    def _leave(self, session: SocketSession, _: str, data: dict[str, object]) -> Ack | Pending:
        """Leave a channel, even the client's own; leaving it again changes nothing."""
        channel = load(LEAVE, data, where="data").channel
        if session.may_be_joining:
            return self._leave_after_joining(session, channel)
        return self._left(session, channel)

    async def _leave_after_joining(self, session: SocketSession, channel: Channel) -> Ack:
        async with session.joining:
            return self._left(session, channel)

    def _left(self, session: SocketSession, channel: Channel) -> Ack:
        self._rooms.leave(session, channel)
        return _ok(orjson.dumps({"channel": channel}))


def _ok(data: bytes, written: Callable[[], None] | None = None) -> Ack:
    return Ack(b'{"ok":true,"data":' + data + b"}", written)
