"""The one place that knows python-socketio from the inside; ``engine.py`` is its like below.

The library speaks the protocol; what it leaves open or does otherwise than this product
needs is set right here, each with its reason:

* ``connected`` is called after CONNECT was answered, so that nothing precedes it;
* a command's ack is written before the frames that were held for it are released;
* malformed packets, events before CONNECT and connections that never get to CONNECT end
  the connection, as the reference server does, instead of a stack trace for each;
* a client that vanishes while it is being let in leaves no ghost behind.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import socketio  # type: ignore[import-untyped]  # ships no types
import structlog
from socketio import packet as sio_packet

from api.realtime.engineio.engine import Engine
from api.realtime.rooms.frames import Send, Sent
from api.realtime.rooms.tasks import Tasks
from api.realtime.socketio.packets import HubPacket, ack_frame, plain_event

log = structlog.get_logger(__name__)

_ANSWER_S = 2.0
"""How long commands may go on when the hub stops."""


@dataclass(slots=True)
class Ack:
    """The answer to a command: ready JSON, and what is to happen once it was written."""

    body: bytes
    written: Callable[[], None] | None = None


class Refused(Exception):
    """The connection is not accepted; ``error`` is the REST error object."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["code"])
        self.error = error


class Gate(Protocol):
    """What the server asks the hub; none of it raises except ``connect``."""

    async def connect(self, sid: str, eio_sid: str, namespace: str, auth: Any) -> None:
        """Let a client in. Raises :class:`Refused`."""
        ...

    def connected(self, sid: str) -> None:
        """CONNECT was answered: events may be sent."""
        ...

    def command(self, sid: str, event: str, arguments: list[Any]) -> Ack | Awaitable[Ack]:
        """The answer, at once if there is nothing to wait for."""
        ...

    async def disconnected(self, sid: str, reason: str) -> None: ...


class HubServer(socketio.AsyncServer):  # type: ignore[misc]  # the library ships no types
    def __init__(
        self, gate: Gate, namespaces: tuple[str, ...], *, connect_timeout_s: float, **engine: Any
    ) -> None:
        super().__init__(
            client_manager=_Clients(),
            serializer=HubPacket,
            async_mode="aiohttp",
            http_compression=False,
            logger=_library_log(),
            engineio_logger=_library_log(),
            **engine,
        )
        self.namespaces = ()  # the library would add "/" to any other empty list
        self._gate, self._connect_timeout_s = gate, connect_timeout_s
        self._tasks = Tasks()
        self._strangers: dict[str, asyncio.TimerHandle] = {}
        for namespace in namespaces:
            self.register_namespace(_Door(namespace, gate, self))

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        return self._tasks.start(target(*args, **kwargs))

    # --- incoming ---

    def _handle_eio_message(self, eio_sid: str, data: Any) -> Awaitable[None] | None:
        """What is left to be waited for; a plain event, which comes often, leaves nothing."""
        if eio_sid not in self.environ:  # closed already: what still comes is too late
            return None
        try:
            plain = isinstance(data, str) and eio_sid not in self._binary_packet
            if plain and (event := plain_event(data)) is not None:
                return self._take_event(eio_sid, *event)
        except Exception as error:
            return self._give_up(eio_sid, error)
        return self._judge(eio_sid, data)

    async def _judge(self, eio_sid: str, data: Any) -> None:
        """Anything else: the library knows all packets."""
        try:
            await super()._handle_eio_message(eio_sid, data)
        except Exception as error:
            await self._give_up(eio_sid, error)

    async def _give_up(self, eio_sid: str, error: Exception) -> None:
        """Never log the data: it may hold a token. JSONDecodeError quotes what it read."""
        if isinstance(error, ValueError | TypeError | KeyError | RecursionError):
            log.warning("socket_packet_malformed", engine=eio_sid, error=type(error).__name__)
        else:  # ours; it must not end in the library's log, with the packet
            log.error("socket_packet_failed", engine=eio_sid, exc_info=error)
        await self.eio.hang_up(eio_sid)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        loop = asyncio.get_running_loop()
        self._strangers[eio_sid] = loop.call_later(
            self._connect_timeout_s, self.start_background_task, self._not_connected, eio_sid
        )

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        if timer := self._strangers.pop(eio_sid, None):
            timer.cancel()
        await super()._handle_eio_disconnect(eio_sid, reason)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        if namespace not in self.namespace_handlers:
            await self._refuse(eio_sid, namespace, "Invalid namespace")
            return
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            await self._refuse(eio_sid, namespace, "Already connected")
            return
        await super()._handle_connect(eio_sid, namespace, data)
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is None or not self.manager.is_connected(sid, namespace):
            return
        if eio_sid not in self.environ:  # it left while it was being let in
            await self._handle_disconnect(eio_sid, namespace, self.reason.TRANSPORT_CLOSE)
        else:
            self._gate.connected(sid)

    async def _refuse(self, eio_sid: str, namespace: str | None, message: str) -> None:
        """In the reference server's words: these are errors of the protocol, not of rights."""
        log.info("socket_connect_invalid", engine=eio_sid, why=message)
        error = {"message": message}
        await self._send_packet(
            eio_sid, HubPacket(sio_packet.CONNECT_ERROR, data=error, namespace=namespace)
        )

    async def _handle_event(
        self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]
    ) -> None:
        """For the library."""
        if (rest := self._take_event(eio_sid, namespace, id, data)) is not None:
            await rest

    def _take_event(
        self, eio_sid: str, namespace: str | None, id: int | None, data: list[Any]
    ) -> Awaitable[None] | None:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is None:
            return self._not_connected(eio_sid)
        if not self.manager.is_pending(sid, namespace):
            answer = self._gate.command(sid, data[0], data[1:])
            if isinstance(answer, Ack):
                self._reply(eio_sid, namespace, id, answer)
            else:
                self._tasks.start(self._reply_later(eio_sid, namespace, id, answer))
        return None

    async def _not_connected(self, eio_sid: str) -> None:
        """Nothing comes before CONNECT; what comes after DISCONNECT is just late."""
        if eio_sid in self.environ and not self._is_connected_somewhere(eio_sid):
            log.warning("socket_never_connected", engine=eio_sid)
            await self.eio.hang_up(eio_sid)

    def _is_connected_somewhere(self, eio_sid: str) -> bool:
        return any(self.manager.sid_from_eio_sid(eio_sid, name) for name in self.namespace_handlers)

    async def _reply_later(
        self, eio_sid: str, namespace: str, id: int | None, answer: Awaitable[Ack]
    ) -> None:
        self._reply(eio_sid, namespace, id, await answer)

    def _reply(self, eio_sid: str, namespace: str, id: int | None, ack: Ack) -> None:
        try:
            if id is not None:
                self.sender(eio_sid)(ack_frame(namespace, id, ack.body))
        finally:
            if ack.written is not None:
                ack.written()

    # --- outgoing ---

    def sender(self, eio_sid: str) -> Send:
        """Sends ready frames to one client; if it has gone, that is no error."""
        session = self.eio.sockets.get(eio_sid)
        return _nowhere if session is None else session.send

    async def close_transport(self, eio_sid: str) -> None:
        """End the connection below Socket.IO, so that the client connects again."""
        await self.eio.hang_up(eio_sid)

    async def dismiss(self, sid: str, namespace: str, eio_sid: str) -> None:
        """Disconnect a client for good, and its connection if nothing else uses it."""
        await self.disconnect(sid, namespace=namespace)
        if not self._is_connected_somewhere(eio_sid):
            await self.eio.hang_up(eio_sid)

    async def close(self) -> None:
        """Commands get a moment to be answered; then every socket is closed."""
        await self._tasks.finish(_ANSWER_S)
        await self.eio.close()


class _Clients(socketio.AsyncManager):  # type: ignore[misc]  # the library ships no types
    """Who is connected to which namespace; the rooms of this product are its own.

    The library gives each client a room besides, a kilobyte each, and looks through all
    rooms when one goes: thousands that go at once would take the square of their number.
    """

    def is_pending(self, sid: str, namespace: str) -> bool:
        """Whether a client that is known here is just coming or going."""
        return sid in self.pending_connect.get(namespace, ()) or sid in self.pending_disconnect.get(
            namespace, ()
        )

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        if room is None:
            super().basic_enter_room(sid, namespace, room, eio_sid)


class _Door(socketio.AsyncNamespace):  # type: ignore[misc]  # the library ships no types
    """One namespace: connections come through here, commands through the server."""

    def __init__(self, namespace: str, gate: Gate, server: HubServer) -> None:
        super().__init__(namespace)
        self._gate, self._hub = gate, server

    async def trigger_event(self, event: str, *args: Any) -> Any:
        sid = args[0]
        if event == "connect":
            eio_sid = self._hub.manager.eio_sid_from_sid(sid, self.namespace)
            try:
                await self._gate.connect(sid, eio_sid, self.namespace, args[2])
            except Refused as refused:
                error = refused.error
                raise socketio.exceptions.ConnectionRefusedError(error["code"], error) from None
        elif event == "disconnect":
            await self._gate.disconnected(sid, args[1])


def _nowhere(frame: Sent, *, more: bool = False) -> None:
    """It left while it was being let in."""


def _library_log() -> logging.Logger:
    """The libraries' own log: only errors, for below that it quotes packets with tokens."""
    library = logging.getLogger("api.realtime.library")
    library.setLevel(logging.ERROR)
    return library
