"""The connections below Socket.IO, all of them; and the one place that knows python-engineio.

Requests are judged in ``endpoint.py``, one connection is ``session.py``; both say
where the library deviates from the protocol. What it leaves open or does otherwise than
this product needs:

* tasks are owned, so that stopping leaves none behind;
* what waits for a socket is bounded in bytes, so a slow reader costs no memory;
* WebSocket compression is off by default: it costs four times the memory.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import engineio  # type: ignore[import-untyped]  # ships no types
import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from engineio import packet as eio_packet

from api.realtime.engineio.endpoint import Endpoint
from api.realtime.engineio.protocol import Transport
from api.realtime.engineio.session import Beat, EngineSession, Owner, Reason
from api.realtime.rooms.frames import Frame
from api.realtime.rooms.retiring import one_by_one
from api.realtime.rooms.send_buffer import Sending
from api.realtime.rooms.send_buffer import Transport as Writable
from api.realtime.rooms.tasks import Tasks

log = structlog.get_logger(__name__)

_FLUSH_S = 0.5
"""How long a closing socket may take to write what is queued."""
_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
_CLOSE_S = 1.0
"""How long a peer may take to answer a WebSocket close."""


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # the library ships no types
    """Implements :class:`api.realtime.engineio.endpoint.Sessions`."""

    sockets: dict[str, EngineSession]

    def __init__(
        self,
        *,
        sending: Sending,
        on_slow: Callable[[], None],
        origins: tuple[str, ...],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._sending, self._on_slow = sending, on_slow
        self._tasks = Tasks()
        self._endpoint = Endpoint(self, origins, self.max_http_buffer_size)
        self._beat = Beat(
            interval_s=self.ping_interval,
            timeout_s=self.ping_timeout,
            max_payload_bytes=self.max_http_buffer_size,
        )
        self._owner = Owner(
            message=self._message,
            closed=self._closed,
            slow=self._slow,
            forget=self._forget,
            spawn=self._tasks.start,
        )
        self.websockets: set[WebSocket] = set()

    def attach(self, app: web.Application, _path: str = "") -> None:
        self._endpoint.attach(app)

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        return self._tasks.start(target(*args, **kwargs))

    # --- for the endpoint ---

    def transport_of(self, sid: str) -> Transport | None:
        session = self.sockets.get(sid)
        return session.transport if session else None

    def session(self, sid: str) -> EngineSession:
        return self.sockets[sid]

    async def open_polling(self) -> EngineSession:
        return await self._open("polling")

    async def open_websocket(self, request: web.Request) -> web.StreamResponse:
        websocket = await self._prepared(request)
        return await self._serve(await self._open("websocket"), websocket)

    async def upgrade(self, session: EngineSession, request: web.Request) -> web.StreamResponse:
        return await self._serve(session, await self._prepared(request))

    async def _open(self, transport: Transport) -> EngineSession:
        session = EngineSession(
            self.generate_id(),
            transport,
            beat=self._beat,
            sending=self._sending,
            owner=self._owner,
        )
        self.sockets[session.sid] = session
        session.open()
        await self._trigger_event("connect", session.sid, {}, run_async=False)
        return session

    async def _prepared(self, request: web.Request) -> "WebSocket":
        websocket = WebSocket(
            request,
            self.max_http_buffer_size,
            compress=self._sending.deflate_from_bytes is not None,
        )
        await websocket.prepare()
        return websocket

    async def _serve(self, session: EngineSession, websocket: "WebSocket") -> web.StreamResponse:
        self.websockets.add(websocket)
        try:
            await session.serve(websocket)
        finally:
            self.websockets.discard(websocket)
            websocket.ended.set()
        return websocket.response

    # --- for the sessions ---

    def _message(self, sid: str, data: str | bytes) -> Awaitable[None] | None:
        # the library would look at what it is first
        rest: Awaitable[None] | None = self.handlers["message"](sid, data)
        return rest

    async def _closed(self, sid: str, reason: str) -> None:
        await self._trigger_event("disconnect", sid, reason, run_async=False)

    def _forget(self, sid: str) -> None:
        self.sockets.pop(sid, None)

    def _slow(self, sid: str, waiting_bytes: int) -> None:
        log.warning("socket_too_slow", engine=sid, waiting_bytes=waiting_bytes)
        self._on_slow()

    # --- for Socket.IO ---

    async def send_packet(self, sid: str, pkt: eio_packet.Packet) -> None:
        """What the library has to say."""
        if session := self.sockets.get(sid):
            session.send(Frame.of(pkt))

    async def hang_up(self, sid: str) -> None:
        """Close a connection after what is queued for it, without waiting for the peer."""
        if session := self.sockets.get(sid):
            await session.close(Reason.SERVER, goodbye=True)

    async def retire(self, over_s: float) -> None:
        """Hang up on whoever is connected now, at random over a while (WebSocket close 1012):
        they come back elsewhere, and not all at once."""
        async for sid in one_by_one(self.sockets, over_s):
            self._say_restart()
            await self.hang_up(sid)

    def _say_restart(self) -> None:
        for websocket in self.websockets:
            websocket.close_code = WSCloseCode.SERVICE_RESTART

    async def close(self) -> None:
        """Hang up every connection, wait a moment for the peers, end the library's tasks."""
        self._say_restart()
        for sid in list(self.sockets):
            await self.hang_up(sid)
        await self._closed_by_peers()
        for websocket in list(self.websockets):
            websocket.abort()
        await self._closed_by_peers()
        self.sockets.clear()
        await self._tasks.finish(0)

    async def _closed_by_peers(self) -> None:
        ends = [asyncio.ensure_future(each.ended.wait()) for each in self.websockets]
        if ends:
            _, late = await asyncio.wait(ends, timeout=_FLUSH_S + _CLOSE_S)
            for end in late:
                end.cancel()


class WebSocket:
    """The transport of a session: it reads messages here, and writes to ``writable``."""

    def __init__(self, request: web.Request, max_bytes: int, *, compress: bool) -> None:
        self._request = request
        self.response = web.WebSocketResponse(
            max_msg_size=max_bytes, compress=compress, timeout=_CLOSE_S
        )
        self.ended = asyncio.Event()
        self.close_code = WSCloseCode.OK
        self.writable: Writable | None = request.transport
        self._closed: asyncio.Event | None = None

    async def prepare(self) -> None:
        await self.response.prepare(self._request)

    @property
    def deflates(self) -> bool:
        """Whether frames may be compressed with the usual window; 0 is not agreed."""
        return self.response.compress == zlib.MAX_WBITS

    async def wait(self) -> str | bytes:
        message = await self.response.receive()
        if message.type not in _DATA:
            raise ConnectionResetError("the WebSocket has ended")
        data: str | bytes = message.data
        return data

    async def send(self, message: str) -> None:
        await self.response.send_str(message)

    async def close(self) -> None:
        if self._closed is not None:
            await self._closed.wait()
            return
        self._closed = asyncio.Event()
        try:
            await self.response.close(code=self.close_code)
        finally:
            self._closed.set()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
