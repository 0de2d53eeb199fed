"""The commands of clients: checked, limited, executed, acknowledged and logged."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import orjson
import structlog

from actors.domain.channels import Channel
from actors.domain.principal import Principal
from actors.domain.refusals import Unavailable, ValidationFailed
from actors.services.services import Services
from actors.tasks import Work
from api.realtime.rooms.command_log import CommandLog
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.errors import SocketRequest, public_error
from api.realtime.rooms.joins import check_count
from api.realtime.socketio.inputs import JOIN, LEAVE, only_object
from api.realtime.socketio.session import SocketSession
from api.realtime.socketio.sessions import SocketSessions
from api.schemas import load

_OK: Final = b'{"ok":true,"data":'
_REFUSED: Final = b'{"ok":false,"error":'


class Answer(NamedTuple):
    """The data of a successful answer, if something is to be done behind it."""

    data: bytes
    """Ready JSON."""
    written: Callable[[], None]
    """Called when the acknowledgement was written."""


Pending = Awaitable[Answer | bytes]
"""A command that waits for something; bytes are the data of a successful answer."""
Command = Callable[[SocketSession, str, dict[str, object]], bytes | Pending]
"""For a session, with a request id and data."""
ServiceCommand = Callable[[Services, Principal, str, Mapping[str, object]], Awaitable[bytes]]
"""Of the services, for a principal, with a request id and data; it returns JSON."""


class CommandHandler:
    """Executes the commands of all sessions, and acknowledges each of them.

    A command passes no step that it does not need (``make bench-fanout`` measures it).
    """

    def __init__(
        self,
        deps: RealtimeDeps,
        sessions: SocketSessions,
        commands: Mapping[str, ServiceCommand],
    ) -> None:
        self._deps, self._sessions = deps, sessions
        self._rooms, self._joins = deps.context.rooms, deps.context.joins
        self._monotonic, self._count = deps.clock.monotonic, deps.limiter.take
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

    def handle(
        self, session: SocketSession, ack_id: int | None, event: str, arguments: list[object]
    ) -> Work | None:
        """Execute one command, and log it like a request (10.2); raises nothing.

        A command that waits for nothing is acknowledged at once; so are refusals. What is
        returned is for a task of its own, which acknowledges the command.
        """
        began, command = self._monotonic(), self._commands.get(event)
        request_id = session.next_request_id()
        try:
            if session.closed or self._sessions.closing:
                raise Unavailable
            self._count(session.scope, session.party)
            if session.running >= self._deps.commands_max:
                raise Unavailable
            data = only_object(arguments)
            if command is None:
                raise ValidationFailed.of("event", "there is no such command")
            answer = command(session, request_id, data)
        except Exception as error:  # the edge of every command: no error may leak
            request = SocketRequest(request_id, session.namespace, event if command else "unknown")
            self._refuse(session, ack_id, request, began, error)
            return None
        if isinstance(answer, bytes):
            seconds = self._monotonic() - began
            self._log.add(session.namespace, event, "ok", seconds, request_id)
            session.acknowledge(ack_id, _OK, answer)
            return None
        session.running += 1
        request = SocketRequest(request_id, session.namespace, event)
        return self._finish(session, ack_id, request, began, answer)

    async def _finish(
        self,
        session: SocketSession,
        ack_id: int | None,
        request: SocketRequest,
        began: float,
        pending: Pending,
    ) -> None:
        # in a task, whose context is its own
        structlog.contextvars.bind_contextvars(request_id=request.request_id)
        try:
            answer = await pending
        except Exception as error:  # the edge of every command: no error may leak
            self._refuse(session, ack_id, request, began, error)
            return
        finally:
            session.running -= 1
        seconds = self._monotonic() - began
        self._log.add(request.namespace, request.event, "ok", seconds, request.request_id)
        if isinstance(answer, bytes):
            session.acknowledge(ack_id, _OK, answer)
            return
        try:
            session.acknowledge(ack_id, _OK, answer.data)
        finally:
            answer.written()

    def _refuse(
        self,
        session: SocketSession,
        ack_id: int | None,
        request: SocketRequest,
        began: float,
        error: Exception,
    ) -> None:
        refusal = public_error(error, request, self._deps.clock)
        seconds, code = self._monotonic() - began, str(refusal["code"])
        self._log.add(request.namespace, request.event, code, seconds, request.request_id)
        session.acknowledge(ack_id, _REFUSED, orjson.dumps(refusal))

    # --- commands of the session itself ---

    async def _join(self, session: SocketSession, _: str, data: dict[str, object]) -> Answer:
        request = load(JOIN, data, where="data")
        channel, since = request.channel, request.since
        await session.joining.acquire()
        try:
            joined_already = self._rooms.channels_of(session)
            check_count(session.principal, "channel", (*joined_already, channel))
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

        return Answer(answer, written)

    def _leave(self, session: SocketSession, _: str, data: dict[str, object]) -> bytes | Pending:
        """Leave a channel, even the client's own; leaving it again changes nothing."""
        channel = load(LEAVE, data, where="data").channel
        if session.may_be_joining:
            return self._leave_after_joining(session, channel)
        return self._left(session, channel)

    async def _leave_after_joining(self, session: SocketSession, channel: Channel) -> bytes:
        async with session.joining:
            return self._left(session, channel)

    def _left(self, session: SocketSession, channel: Channel) -> bytes:
        self._rooms.leave(session, channel)
        return orjson.dumps({"channel": channel})
