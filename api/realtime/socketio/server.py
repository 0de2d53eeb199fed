"""The Socket.IO server: each message of a connection goes where it is handled.

Events are parsed and acknowledged here, so that the frequent ones cost neither a task nor a
call into python-socketio; CONNECT and DISCONNECT go to python-socketio (``library.py``). As in
the reference server, a malformed packet, an event before CONNECT and a connection that never
gets to CONNECT end the connection.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog
from socketio import packet as sio  # type: ignore[import-untyped]  # ships no types

from actors.tasks import Tasks
from api.realtime.engineio.engine import Engine
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.socketio.command_handler import CommandHandler
from api.realtime.socketio.library import SocketIOLibrary
from api.realtime.socketio.packets import HubPacket, event_of, plain_event
from api.realtime.socketio.session import SocketSession
from api.realtime.socketio.sessions import SocketSessions

log = structlog.get_logger(__name__)

_ANSWER_S: Final = 2.0
"""How long running commands may take when the hub stops."""
_LIBRARY_PACKETS: Final = (str(sio.CONNECT), str(sio.DISCONNECT))


class SocketServer:
    """Implements :class:`api.realtime.engineio.engine.EngineListener`."""

    def __init__(
        self, deps: RealtimeDeps, sessions: SocketSessions, commands: CommandHandler
    ) -> None:
        self._deps, self._sessions, self._commands = deps, sessions, commands
        self.engine = Engine(
            self, deps.settings, send_policy=deps.context.send_policy, on_slow=deps.on_slow
        )
        self._library = SocketIOLibrary(self.engine, sessions)
        self._clients = self._library.clients
        self._tasks = Tasks()
        self._connect_timers: dict[str, asyncio.TimerHandle] = {}
        self._incomplete: dict[str, HubPacket] = {}
        """Packets whose attachments have not all come."""

    async def close(self) -> None:
        """Let running commands finish for a moment; then close every connection."""
        await self._tasks.finish(_ANSWER_S)
        await self.engine.close()

    # --- connections ---

    async def opened(self, eio_sid: str) -> None:
        await self._library.opened(eio_sid)
        self._connect_timers[eio_sid] = asyncio.get_running_loop().call_later(
            self._deps.settings.connect_timeout_s,
            lambda: self._tasks.start(self._hang_up_unconnected(eio_sid)),
        )

    async def closed(self, eio_sid: str, reason: str) -> None:
        self._incomplete.pop(eio_sid, None)
        if timer := self._connect_timers.pop(eio_sid, None):
            timer.cancel()
        await self._library.closed(eio_sid, reason)

    async def _hang_up_unconnected(self, eio_sid: str) -> None:
        """Close a connection without a client; a late event after DISCONNECT is harmless."""
        if eio_sid in self._library.environ and not self._clients.has_any(eio_sid):
            log.warning("socket_never_connected", engine=eio_sid)
            await self.engine.hang_up(eio_sid)

    # --- messages ---

    def message(self, eio_sid: str, data: str | bytes) -> Awaitable[None] | None:
        """Handle one message; most events leave nothing to be awaited."""
        if eio_sid not in self._library.environ:
            return None  # a message that was already on its way when the connection closed
        try:
            if eio_sid in self._incomplete:
                return self._attachment(eio_sid, data)
            if isinstance(data, str):
                if (event := plain_event(data)) is not None:
                    return self._event(eio_sid, *event)
                if data[0] in _LIBRARY_PACKETS:
                    return self._connect_or_disconnect(eio_sid, data)
            return self._packet(eio_sid, data)
        except Exception as error:
            return self._give_up(eio_sid, error)

    def message_now(self, eio_sid: str, data: str) -> bool:
        """Handle an event of a connected client, the only frequent message."""
        if eio_sid in self._incomplete:
            return False
        try:
            if (event := plain_event(data)) is None:
                return False
        except ValueError:  # ``message`` gives up the connection
            return False
        session = self._sessions.of(eio_sid, event[0])
        if session is None:
            return False
        try:
            self._command(session, *event[1:])
        except Exception as error:
            self._tasks.start(self._give_up(eio_sid, error))
        return True

    async def _connect_or_disconnect(self, eio_sid: str, packet: str) -> None:
        try:
            await self._library.handle(eio_sid, packet)
        except Exception as error:
            await self._give_up(eio_sid, error)

    def _packet(self, eio_sid: str, data: str | bytes) -> Awaitable[None] | None:
        if not isinstance(data, str):
            raise ValueError("binary data that no packet announced")
        packet = HubPacket(encoded_packet=data)
        match packet.packet_type:
            case sio.EVENT:
                return self._event(eio_sid, *event_of(packet))
            case sio.BINARY_EVENT | sio.BINARY_ACK:
                if self._clients.sid_from_eio_sid(eio_sid, packet.namespace or "/") is None:
                    raise ValueError("a binary packet before CONNECT")
                self._incomplete[eio_sid] = packet
                return None
            case sio.ACK:  # the hub requests no acknowledgements
                return None
            case other:
                raise ValueError(f"unexpected packet type {other}")

    def _attachment(self, eio_sid: str, data: str | bytes) -> Awaitable[None] | None:
        packet = self._incomplete[eio_sid]
        if not packet.add_attachment(data):
            return None
        del self._incomplete[eio_sid]
        if packet.packet_type == sio.BINARY_ACK:
            return None
        return self._event(eio_sid, *event_of(packet))

    def _event(
        self, eio_sid: str, namespace: str, id: int | None, name: str, arguments: list[object]
    ) -> Awaitable[None] | None:
        session = self._sessions.of(eio_sid, namespace)
        if session is not None:
            self._command(session, id, name, arguments)
        elif self._clients.sid_from_eio_sid(eio_sid, namespace) is None:
            return self._hang_up_unconnected(eio_sid)
        return None  # of a client that is still connecting, or disconnecting: dropped

    def _command(
        self, session: SocketSession, id: int | None, name: str, arguments: list[object]
    ) -> None:
        if (work := self._commands.handle(session, id, name, arguments)) is not None:
            self._tasks.start(work)

    async def _give_up(self, eio_sid: str, error: Exception) -> None:
        """End the connection. Never log the data, which may hold a token."""
        if isinstance(error, ValueError | TypeError | KeyError | RecursionError):
            # the name only: JSONDecodeError quotes its input
            log.warning("socket_packet_malformed", engine=eio_sid, error=type(error).__name__)
        else:
            log.error("socket_packet_failed", engine=eio_sid, exc_info=error)
        await self.engine.hang_up(eio_sid)
