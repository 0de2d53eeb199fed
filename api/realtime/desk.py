"""Commands and their acks: checked, limited, answered, logged; never more than asked."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
import structlog

from actors.domain.channels import Channel
from actors.domain.refusals import Unavailable, ValidationFailed
from api.realtime.commands import COMMANDS, Services
from api.realtime.connections import Connections
from api.realtime.deps import Attempt, RealtimeDeps, shown
from api.realtime.inputs import JOIN, LEAVE, the_object
from api.realtime.joins import Joins, check_count, check_may_join
from api.realtime.rooms import Rooms
from api.realtime.server import Ack
from api.realtime.session import Session
from api.schemas import load

log = structlog.get_logger(__name__)

Answer = Callable[[Session, dict[str, Any]], Awaitable[Ack]]


class Desk:
    def __init__(
        self, deps: RealtimeDeps, connections: Connections, rooms: Rooms, joins: Joins
    ) -> None:
        self._deps, self._connections = deps, connections
        self._rooms, self._joins = rooms, joins
        self._log = log.bind()  # once, not for each command
        self._services = Services(
            bookings=deps.bookings, availability=deps.availability, people=deps.people
        )
        self._own: Final[Mapping[str, Answer]] = {
            "channel:join": self._join,
            "channel:leave": self._leave,
            "auth:refresh": self._refresh,
        }

    async def command(self, sid: str, event: str, arguments: list[Any]) -> Ack:
        """Answer one command, whatever comes of it; logged like a request (10.2)."""
        session, began = self._connections.find(sid), self._deps.clock.monotonic()
        known = event in COMMANDS or event in self._own
        attempt = Attempt(
            session.next_request_id() if session else self._deps.new_id(),
            session.namespace if session else "",
            event if known else "unknown",
        )
        code = "ok"
        try:
            # a command has a task, and so a context, of its own
            structlog.contextvars.bind_contextvars(request_id=attempt.request_id)
            ack = await self._answer(session, event, arguments, attempt.request_id)
        except Exception as error:  # the edge of every command: nothing may leak
            refused = shown(error, attempt, self._deps.clock)
            code = refused["code"]
            ack = Ack(orjson.dumps({"ok": False, "error": refused}))
        self._note(attempt, code, self._deps.clock.monotonic() - began)
        return ack

    async def _answer(
        self, session: Session | None, event: str, arguments: list[Any], request_id: str
    ) -> Ack:
        if session is None or session.closed or self._connections.closing:
            raise Unavailable
        self._deps.limiter.take(session.principal.scope)
        if session.running >= self._deps.settings.commands_max:
            raise Unavailable
        session.running += 1
        try:
            data = the_object(arguments)
            if command := COMMANDS.get(event):
                return _ok(await command(self._services, session.principal, request_id, data))
            if own := self._own.get(event):
                return await own(session, data)
            raise ValidationFailed.of("event", "there is no such command")
        finally:
            session.running -= 1

    async def _join(self, session: Session, data: dict[str, Any]) -> Ack:
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

    async def _leave(self, session: Session, data: dict[str, Any]) -> Ack:
        """Out of the channel, even one's own; leaving it again changes nothing."""
        channel = Channel(load(LEAVE, data, where="data")["channel"])
        async with session.joining:
            self._rooms.leave(session, channel)
        return _ok(orjson.dumps({"channel": channel}))

    async def _refresh(self, session: Session, data: dict[str, Any]) -> Ack:
        return _ok(await self._connections.renew(session, data))

    def _note(self, attempt: Attempt, code: str, seconds: float) -> None:
        self._log.info(
            "socket_command",
            namespace=attempt.namespace,
            command=attempt.event,
            code=code,
            duration_ms=round(seconds * 1_000, 2),
            request_id=attempt.request_id,
        )
        if self._deps.on_command is not None:
            self._deps.on_command(attempt.namespace, attempt.event, code, seconds)


def _ok(data: bytes, written: Callable[[], None] | None = None) -> Ack:
    return Ack(b'{"ok":true,"data":' + data + b"}", written)
