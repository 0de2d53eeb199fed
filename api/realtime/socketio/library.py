"""The hub's use of python-socketio, through its public interface.

python-socketio answers CONNECT and DISCONNECT, keeps the clients of each namespace, and encodes
these packets. Its extension points carry what the hub does differently: ``client_manager``,
``serializer``, ``namespaces``, namespace handlers, and the Engine.IO server that it stands on.
Events do not pass through it: see ``server.py``.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import socketio  # type: ignore[import-untyped]  # ships no types
from socketio import packet as sio

from api.realtime.engineio.engine import Engine, new_sid
from api.realtime.engineio.session import CloseReason
from api.realtime.rooms.frames import Send
from api.realtime.socketio.packets import HubPacket

NAMESPACES: Final = ("/dentist", "/staff", "/patient", "/chatbot", "/admin")

PRIVATE_NAMES: Final = {
    "_engineio_server_class": (
        "the library's only way to choose an Engine.IO server: its constructor calls it, and "
        "registers its handlers with what it returns"
    ),
}
"""Private names of python-socketio that the hub overrides, each with its reason.

``tests/unit/test_socketio_library.py`` fails when an upgrade changes one of them.
"""

_LOG: Final = logging.getLogger("api.realtime.library")
_LOG.setLevel(logging.ERROR)  # below it python-socketio logs packets, which may hold tokens

Handler = Callable[..., Awaitable[None]]

ConnectionRefused = socketio.exceptions.ConnectionRefusedError
"""A client may not connect; its arguments are the error code and the REST error object."""


class EngineServer(Protocol):
    """All that python-socketio needs of an Engine.IO server."""

    async_mode: str
    """Copied by the library's constructor, and not used."""

    def on(self, event: str, handler: Handler) -> None:
        """Keep the library's handler of ``connect``, ``message`` or ``disconnect``."""
        ...

    def generate_id(self) -> str:
        """The id of a new client of a namespace."""
        ...

    async def send(self, eio_sid: str, data: str) -> None:
        """Send CONNECT, CONNECT_ERROR or DISCONNECT; to a closed connection, nothing."""
        ...


class EngineAdapter(EngineServer):
    """The hub's engine, as python-socketio sees it."""

    async_mode = "aiohttp"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.handlers: dict[str, Handler] = {}

    def on(self, event: str, handler: Handler) -> None:
        self.handlers[event] = handler

    def generate_id(self) -> str:
        return new_sid()

    async def send(self, eio_sid: str, data: str) -> None:
        self._engine.send(eio_sid, data)


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """One client of one namespace."""

    sid: str
    eio_sid: str
    """The id of its Engine.IO session, which several namespaces may share."""
    namespace: str
    send: Send
    """Sends ready frames; frames to a closed connection are dropped."""
    _library: "SocketIOLibrary"

    async def disconnect(self) -> None:
        """Disconnect for good, and close the connection if no other namespace uses it."""
        await self._library.disconnect(self.sid, namespace=self.namespace)
        if not self._library.clients.has_any(self.eio_sid):
            await self.hang_up()

    async def hang_up(self) -> None:
        """Close the connection below Socket.IO, so that the client connects again."""
        await self._library.engine.hang_up(self.eio_sid)


class Admission(Protocol):
    """Decides which clients may connect, and follows their lives."""

    async def admit(self, client: Client, auth: object) -> None:
        """Raises ConnectionRefused."""
        ...

    def connected(self, sid: str) -> None:
        """CONNECT was answered: events may be sent."""
        ...

    def disconnected(self, sid: str, reason: str) -> None: ...


class InvalidConnect(Exception):
    """A CONNECT that breaks the protocol, refused in the reference server's words."""

    def __init__(self, namespace: str, message: str) -> None:
        super().__init__(message)
        self.namespace, self.error = namespace, {"message": message}


class SocketIOLibrary(socketio.AsyncServer):  # type: ignore[misc]  # the library ships no types
    """python-socketio's server over the hub's engine."""

    def __init__(self, engine: Engine, admission: Admission) -> None:
        self.engine, self._adapter = engine, EngineAdapter(engine)
        self.clients = ClientRegistry(admission)
        super().__init__(
            client_manager=self.clients,
            serializer=HubPacket,
            namespaces="*",  # the registry refuses the unknown ones in the reference's words
            logger=_LOG,
        )
        for namespace in NAMESPACES:
            self.register_namespace(ConnectionHandlers(namespace, self, admission))

    def _engineio_server_class(self) -> Callable[..., EngineAdapter]:
        return lambda **_options: self._adapter

    async def opened(self, eio_sid: str) -> None:
        await self._adapter.handlers["connect"](eio_sid, {})

    async def closed(self, eio_sid: str, reason: str) -> None:
        await self._adapter.handlers["disconnect"](eio_sid, reason)

    async def handle(self, eio_sid: str, packet: str) -> None:
        """Handle CONNECT or DISCONNECT; raises ValueError for a malformed packet."""
        try:
            await self._adapter.handlers["message"](eio_sid, packet)
        except InvalidConnect as invalid:
            error = HubPacket(sio.CONNECT_ERROR, invalid.error, namespace=invalid.namespace)
            self.engine.send(eio_sid, error.encode())


class ConnectionHandlers(socketio.AsyncNamespace):  # type: ignore[misc]  # the library ships no types
    """Connects and disconnects the clients of one namespace."""

    def __init__(self, namespace: str, library: SocketIOLibrary, admission: Admission) -> None:
        super().__init__(namespace)
        self._library, self._admission = library, admission

    async def trigger_event(self, event: str, sid: str, *args: object) -> None:
        """Overridden because the base class takes a cancelled ``connect`` for a success."""
        if event == "connect":
            eio_sid = self._library.clients.eio_sid_from_sid(sid, self.namespace)
            send = self._library.engine.sender(eio_sid)
            client = Client(sid, eio_sid, self.namespace, send, self._library)
            await self._admission.admit(client, args[1])
        elif event == "disconnect":
            self._admission.disconnected(sid, str(args[0]))


class ClientRegistry(socketio.AsyncManager):  # type: ignore[misc]  # the library ships no types
    """The clients of each namespace. Rooms are the hub's own: see ``api.realtime.rooms``."""

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self._admission = admission

    async def pre_connect(self, eio_sid: str, namespace: str) -> str:
        """Raises InvalidConnect."""
        if namespace not in NAMESPACES:
            raise InvalidConnect(namespace, "Invalid namespace")
        if self.sid_from_eio_sid(eio_sid, namespace) is not None:
            raise InvalidConnect(namespace, "Already connected")
        sid: str = await super().pre_connect(eio_sid, namespace)
        return sid

    async def connect(self, sid: str, namespace: str) -> str:
        """Called when CONNECT was answered, so no event can precede it."""
        await super().connect(sid, namespace)
        if self.eio_sid_from_sid(sid, namespace) in self.server.environ:
            self._admission.connected(sid)
        else:  # the connection closed while the client was being admitted
            self.pre_disconnect(sid, namespace)
            self._admission.disconnected(sid, CloseReason.TRANSPORT_CLOSE)
            await self.disconnect(sid, namespace)
        return sid

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        """Enter only the namespace itself (room ``None``).

        The library also gives each client a room of its own. That costs a kilobyte a client,
        and a search through all rooms whenever one leaves.
        """
        if room is None:
            super().basic_enter_room(sid, namespace, room, eio_sid)

    def has_any(self, eio_sid: str) -> bool:
        """Whether the connection has a client in any namespace."""
        return any(self.sid_from_eio_sid(eio_sid, name) is not None for name in NAMESPACES)
