"""Commands and their acks: checked, limited, answered, logged; never more than asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from actors.domain.channels import Channel
from actors.domain.refusals import Unavailable, ValidationFailed
from api.realtime.rooms.deps import Attempt, RealtimeDeps, shown
from api.realtime.rooms.joins import Joins, check_count, check_may_join
from api.realtime.rooms.rooms import Rooms
from api.realtime.socketio.commands import COMMANDS
from api.realtime.socketio.inputs import JOIN, LEAVE, the_object
from api.realtime.socketio.session import SocketSession
from api.realtime.socketio.sessions import SocketSessions
from api.schemas import load

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ack:
    """The acknowledgement of a command."""

    body: bytes
    """Ready JSON."""
    written: Callable[[], None] | None = None
    """Called when the acknowledgement was written."""


Work = Ack | Awaitable[Ack | bytes]
"""An answer, or what comes to one; bytes are the data of a good one."""
Answer = Callable[[SocketSession, dict[str, Any]], Work]


class CommandHandler:
    def __init__(
        self, deps: RealtimeDeps, sessions: SocketSessions, rooms: Rooms, joins: Joins
    ) -> None:
        self._deps, self._sessions = deps, sessions
        self._rooms, self._joins = rooms, joins
        # bound once, not for each command
        self._log, self._monotonic = log.bind(), deps.clock.monotonic
        self._notes: list[tuple[Attempt, str, float]] = []
        self._own: Final[Mapping[str, Answer]] = {
            "channel:join": self._join,
            "channel:leave": self._leave,
            "auth:refresh": self._refresh,
        }

    def handle(self, sid: str, event: str, arguments: list[object]) -> Ack | Awaitable[Ack]:
        """Answer one command, whatever comes of it; logged like a request (10.2).

        What has nothing to wait for costs no task, refusals above all.
        """
        session, began = self._sessions.find(sid), self._monotonic()
        known = event in COMMANDS or event in self._own
        attempt = Attempt(
            session.next_request_id() if session else self._deps.new_id(),
            session.namespace if session else "",
            event if known else "unknown",
        )
        try:
            if session is None or session.closed or self._sessions.closing:
                raise Unavailable
            work = self._begin(session, event, arguments, attempt.request_id)
        except Exception as error:  # the edge of every command: nothing may leak
            return self._refused(attempt, began, error)
        if isinstance(work, Ack):
            self._note(attempt, "ok", began)
            return work
        session.running += 1
        return self._finished(session, attempt, began, work)

    def _begin(
        self, session: SocketSession, event: str, arguments: list[object], request_id: str
    ) -> Work:
        self._deps.limiter.take(session.scope)
        if session.running >= self._deps.commands_max:
            raise Unavailable
        data = the_object(arguments)
        if command := COMMANDS.get(event):
            return command(self._deps.services, session.principal, request_id, data)
        if own := self._own.get(event):
            return own(session, data)
        raise ValidationFailed.of("event", "there is no such command")

    async def _finished(
        self, session: SocketSession, attempt: Attempt, began: float, work: Awaitable[Ack | bytes]
    ) -> Ack:
        # what waits has a task, and so a context, of its own
        structlog.contextvars.bind_contextvars(request_id=attempt.request_id)
        try:
            answer = await work
        except Exception as error:  # the edge of every command: nothing may leak
            return self._refused(attempt, began, error)
        finally:
            session.running -= 1
        self._note(attempt, "ok", began)
        return answer if isinstance(answer, Ack) else _ok(answer)

    def _refused(self, attempt: Attempt, began: float, error: Exception) -> Ack:
        refused = shown(error, attempt, self._deps.clock)
        self._note(attempt, refused["code"], began)
        return Ack(orjson.dumps({"ok": False, "error": refused}))

    async def _join(self, session: SocketSession, data: dict[str, Any]) -> Ack:
        loaded = load(JOIN, data, where="data")
        channel, since = Channel(loaded["channel"]), loaded["since"]
        check_may_join(session.principal, (channel,))
        await session.joining.acquire()
        try:
            check_count("channel", len({*self._rooms.channels_of(session), channel}))
            joined = await self._joins.join(session, session.principal, {channel: since})
            answer = joined.answers.get(channel)
            if answer is None:
                raise Unavailable  # it left while it was joining
        except BaseException:
            session.joining.release()
            raise

        def written() -> None:
            try:
                self._joins.release(joined)
            finally:
                session.joining.release()

        return _ok(answer, written)

    def _leave(self, session: SocketSession, data: dict[str, Any]) -> Work:
        """Out of the channel, even one's own; leaving it again changes nothing."""
        channel = Channel(load(LEAVE, data, where="data")["channel"])
        if session.may_be_joining:
            return self._leave_after(session, channel)
        return self._left(session, channel)

    async def _leave_after(self, session: SocketSession, channel: Channel) -> Ack:
        async with session.joining:
            return self._left(session, channel)

    def _left(self, session: SocketSession, channel: Channel) -> Ack:
        self._rooms.leave(session, channel)
        return _ok(orjson.dumps({"channel": channel}))

    def _refresh(self, session: SocketSession, data: dict[str, Any]) -> Work:
        return self._sessions.renew(session, data)

    def _note(self, attempt: Attempt, code: str, began: float) -> None:
        """What was answered in one turn of the loop is counted and logged at its end: one after
        the other, that costs less than in between."""
        if not self._notes:
            asyncio.get_running_loop().call_soon(self._write_notes)
        self._notes.append((attempt, code, self._monotonic() - began))

    def _write_notes(self) -> None:
        notes, self._notes = self._notes, []
        for attempt, code, seconds in notes:
            self._log.info(
                "socket_command",
                namespace=attempt.namespace,
                command=attempt.event,
                code=code,
                duration_ms=round(seconds * 100_000) / 100,  # to two digits, which takes longer
                request_id=attempt.request_id,
            )
            if self._deps.on_command is not None:
                self._deps.on_command(attempt.namespace, attempt.event, code, seconds)


def _ok(data: bytes, written: Callable[[], None] | None = None) -> Ack:
    return Ack(b'{"ok":true,"data":' + data + b"}", written)
