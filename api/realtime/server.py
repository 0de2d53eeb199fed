"""The one place that knows python-socketio and python-engineio from the inside.

The libraries speak the protocol; what they leave open or do otherwise than this product
needs is set right here, each with its reason:

* tasks are owned, so that stopping leaves none behind;
* ``connected`` is called after CONNECT was answered, so that nothing precedes it;
* a command's ack is written before the frames that were held for it are released;
* malformed packets, events before CONNECT and connections that never get to CONNECT end
  the connection, as the reference server does, instead of a stack trace for each;
* a client that vanishes while it is being let in leaves no ghost behind;
* WebSocket compression is off: it costs four times the memory for small frames.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import engineio  # type: ignore[import-untyped]  # ships no types
import orjson
import socketio  # type: ignore[import-untyped]  # ships no types
import structlog
from aiohttp import WSCloseCode, web
from engineio import packet as eio_packet
from engineio.async_drivers import aiohttp as driver  # type: ignore[import-untyped]  # ships no types
from socketio import packet as sio_packet

from api.realtime.packets import HubPacket

log = structlog.get_logger(__name__)

_ANSWER_S = 2.0
"""How long commands may go on when the hub stops."""
_STRANGER_S = 45.0
"""How long a connection may stay in no namespace, as in the reference server."""
_FLUSH_S = 0.5
"""How long a closing socket may take to write what is queued."""
_CLOSE_S = 1.0
"""How long a peer may take to answer a WebSocket close."""
_FRAME = re.compile(r"4[0-9]|[1235](?:probe)?\Z")
"""What a client may begin a frame with: a Socket.IO packet, or a bare Engine.IO one."""
_QUEUE_MAX = 2_000
"""Frames that may wait for a slow reader; then it is closed and catches up by offset."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to a command: ready JSON, and what is to happen once it was written."""

    body: bytes
    written: Callable[[], Awaitable[None]] | None = None


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

    async def command(self, sid: str, event: str, arguments: list[Any]) -> Ack: ...

    async def disconnected(self, sid: str, reason: str) -> None: ...


class HubServer(socketio.AsyncServer):  # type: ignore[misc]  # the library ships no types
    def __init__(self, gate: Gate, namespaces: tuple[str, ...], **engine: Any) -> None:
        super().__init__(
            serializer=HubPacket,
            async_mode="aiohttp",
            http_compression=False,
            logger=_library_log(),
            engineio_logger=_library_log(),
            **engine,
        )
        self.namespaces = ()  # the library would add "/" to any other empty list
        self._gate = gate
        self._tasks = _Tasks()
        self._strangers: dict[str, asyncio.TimerHandle] = {}
        for namespace in namespaces:
            self.register_namespace(_Door(namespace, gate, self))

    def _engineio_server_class(self) -> type["_Engine"]:
        return _Engine

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        return self._tasks.start(target(*args, **kwargs))

    # --- incoming ---

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        if eio_sid not in self.environ:  # closed already: what still comes is too late
            return
        try:
            await super()._handle_eio_message(eio_sid, data)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            # Never the data: it may hold a token. JSONDecodeError quotes what it read.
            log.warning("socket_packet_malformed", engine=eio_sid, error=type(error).__name__)
            await self.eio.hang_up(eio_sid)

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self.eio.guard(eio_sid)
        loop = asyncio.get_running_loop()
        self._strangers[eio_sid] = loop.call_later(
            _STRANGER_S, self.start_background_task, self._not_connected, eio_sid
        )

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        if timer := self._strangers.pop(eio_sid, None):
            timer.cancel()
        await super()._handle_eio_disconnect(eio_sid, reason)
        self.eio.end_writing(eio_sid)

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
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is None:
            await self._not_connected(eio_sid)
        else:
            await super()._handle_event(eio_sid, namespace, id, data)

    async def _not_connected(self, eio_sid: str) -> None:
        """Nothing comes before CONNECT; what comes after DISCONNECT is just late."""
        if eio_sid in self.environ and not self._is_connected_somewhere(eio_sid):
            log.warning("socket_never_connected", engine=eio_sid)
            await self.eio.hang_up(eio_sid)

    def _is_connected_somewhere(self, eio_sid: str) -> bool:
        return any(self.manager.sid_from_eio_sid(eio_sid, name) for name in self.namespace_handlers)

    async def _handle_event_internal(
        self,
        server: Any,
        sid: str,
        eio_sid: str,
        data: list[Any],
        namespace: str,
        id: int | None,
    ) -> None:
        ack = await self._gate.command(sid, data[0], data[1:])
        try:
            if id is not None:
                arguments = [orjson.Fragment(ack.body)]
                await self._send_packet(
                    eio_sid, HubPacket(sio_packet.ACK, namespace=namespace, id=id, data=arguments)
                )
        finally:
            if ack.written is not None:
                await ack.written()

    # --- outgoing ---

    async def send_text(self, eio_sid: str, frame: eio_packet.Packet) -> None:
        """Queue a ready frame; a socket that is gone is no error."""
        await self.eio.send_packet(eio_sid, frame)

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


class _Tasks:
    """Tasks with an owner."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finish(self, within_s: float) -> None:
        if self._running and within_s:
            await asyncio.wait(self._running, timeout=within_s)
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Engine(engineio.AsyncServer):  # type: ignore[misc]  # the library ships no types
    _async: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tasks = _Tasks()
        self._async = {**self._async, "websocket": _WebSocket}
        self.websockets: dict[str, _WebSocket] = {}
        self.stopping = False

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        return self._tasks.start(target(*args, **kwargs))

    async def send_packet(self, sid: str, pkt: eio_packet.Packet) -> None:
        socket = self.sockets.get(sid)
        if socket is None or socket.closed:
            return
        if socket.queue.qsize() < _QUEUE_MAX:
            await socket.send(pkt)
            return
        log.warning("socket_too_slow", engine=sid, waiting=socket.queue.qsize())
        await socket.close(wait=False, abort=True, reason=self.reason.TRANSPORT_ERROR)
        if websocket := self.websockets.get(sid):
            websocket.abort()

    async def hang_up(self, sid: str) -> None:
        """Close a connection after what is queued for it, without waiting for the peer."""
        socket = self.sockets.get(sid)
        if socket is not None and not socket.closed:
            await socket.close(wait=False)

    def end_writing(self, sid: str) -> None:
        """A closing socket's last packet: without it a poll, or a writer, would wait on."""
        if socket := self.sockets.get(sid):
            last = None if socket.upgraded else eio_packet.Packet(eio_packet.NOOP)
            # behind the CLOSE packet, which the library queues after it said so
            asyncio.get_running_loop().call_soon(socket.queue.put_nowait, last)

    def guard(self, sid: str) -> None:
        """What a polling client posts is checked before the library believes it."""
        socket = self.sockets[sid]
        post = socket.handle_post_request

        async def checked(environ: dict[str, Any]) -> None:
            try:
                await post(environ)
            except (ValueError, IndexError, RecursionError, engineio.exceptions.EngineIOError) as e:
                log.warning("socket_post_malformed", engine=sid, error=type(e).__name__)
                await self.hang_up(sid)
                raise engineio.exceptions.EngineIOError from None  # answered with 400

        socket.handle_post_request = checked  # the library has no place for a socket of our own

    async def close(self) -> None:
        """Hang up every connection, wait a moment for the peers, end the library's tasks."""
        self.stopping = True
        for sid in list(self.sockets):
            await self.hang_up(sid)
        await self._closed_by_peers()
        for websocket in list(self.websockets.values()):
            websocket.abort()
        await self._closed_by_peers()
        self.sockets.clear()
        await self._tasks.finish(0)

    async def _closed_by_peers(self) -> None:
        ends = [asyncio.ensure_future(each.ended.wait()) for each in self.websockets.values()]
        if ends:
            _, late = await asyncio.wait(ends, timeout=_FLUSH_S + _CLOSE_S)
            for end in late:
                end.cancel()


class _WebSocket(driver.WebSocket):  # type: ignore[misc]  # the library ships no types
    def __init__(self, handler: Any, server: _Engine) -> None:
        super().__init__(handler, server)
        self.ended = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        self._transport = request.transport
        self._sock = web.WebSocketResponse(
            max_msg_size=self.server.max_http_buffer_size, compress=False, timeout=_CLOSE_S
        )
        await self._sock.prepare(request)
        self.environ = environ
        sid = self.handler.__self__.sid
        self.server.websockets[sid] = self
        try:
            await self.handler(self)
        finally:
            self.server.websockets.pop(sid, None)
            self.ended.set()
        return self._sock

    async def wait(self) -> Any:
        """The next frame; raises OSError, which ends the connection, for a malformed one.

        The library would let a frame of no packet type escape as an error of the request,
        and would parse JSON where the protocol has none.
        """
        data = await super().wait()
        if isinstance(data, str) and not _FRAME.match(data):
            log.warning("socket_frame_malformed", engine=self.handler.__self__.sid)
            raise OSError("not an Engine.IO packet")
        return data

    async def close(self) -> None:
        code = WSCloseCode.SERVICE_RESTART if self.server.stopping else WSCloseCode.OK
        await self._sock.close(code=code)

    def abort(self) -> None:
        """Drop the connection now: the peer does not read."""
        if self._transport is not None:
            self._transport.abort()


def _library_log() -> logging.Logger:
    """The libraries' own log: only errors, for below that it quotes packets with tokens."""
    library = logging.getLogger("api.realtime.library")
    library.setLevel(logging.ERROR)
    return library
