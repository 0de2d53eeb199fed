"""The connections below Socket.IO, all of them; and the one place that knows python-engineio.

Requests are judged in ``endpoint.py``, one connection is ``engine_session.py``; both say
where the library deviates from the protocol. What it leaves open or does otherwise than
this product needs:

* tasks are owned, so that stopping leaves none behind;
* what waits for a socket is bounded in bytes, so a slow reader costs no memory;
* WebSocket compression is off: it costs four times the memory for small frames.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import engineio  # type: ignore[import-untyped]  # ships no types
import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from engineio import packet as eio_packet

from api.realtime.endpoint import Endpoint
from api.realtime.engine_session import Beat, EngineSession, Owner, Reason
from api.realtime.handshake import Transport
from api.realtime.outbox import packet_bytes, text_bytes

log = structlog.get_logger(__name__)

_FLUSH_S = 0.5
"""How long a closing socket may take to write what is queued."""
_CLOSE_S = 1.0
"""How long a peer may take to answer a WebSocket close."""


class Tasks:
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


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # the library ships no types
    """Implements :class:`api.realtime.endpoint.Sessions`."""

    sockets: dict[str, EngineSession]

    def __init__(
        self,
        *,
        max_buffer_bytes: int,
        on_slow: Callable[[], None],
        origins: tuple[str, ...],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._max_buffer_bytes, self._on_slow = max_buffer_bytes, on_slow
        self._tasks = Tasks()
        self._endpoint = Endpoint(self, origins, self.max_http_buffer_size)
        self._beat = Beat(
            interval_s=self.ping_interval,
            timeout_s=self.ping_timeout,
            max_payload_bytes=self.max_http_buffer_size,
        )
        self._owner = Owner(
            message=self._message, closed=self._closed, forget=self._forget, spawn=self._tasks.start
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
        session = EngineSession(self.generate_id(), transport, self._beat, self._owner)
        self.sockets[session.sid] = session
        session.open()
        await self._trigger_event("connect", session.sid, {}, run_async=False)
        return session

    async def _prepared(self, request: web.Request) -> "WebSocket":
        websocket = WebSocket(request, self.max_http_buffer_size)
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

    async def _message(self, sid: str, data: str | bytes) -> None:
        await self._trigger_event("message", sid, data, run_async=False)

    async def _closed(self, sid: str, reason: str) -> None:
        await self._trigger_event("disconnect", sid, reason, run_async=False)

    def _forget(self, sid: str) -> None:
        self.sockets.pop(sid, None)

    # --- for Socket.IO ---

    async def send_packet(self, sid: str, pkt: eio_packet.Packet) -> None:
        self.write(sid, pkt)

    def write(self, sid: str, pkt: eio_packet.Packet) -> None:
        """Queue a packet; who has too much unread is closed, and catches up by offset."""
        session = self.sockets.get(sid)
        if session is None or session.closed:
            return
        waiting = session.waiting_bytes
        if waiting <= self._max_buffer_bytes:
            session.outbox.put_nowait(pkt)
            return
        log.warning("socket_too_slow", engine=sid, waiting_bytes=waiting)
        self._on_slow()
        self._tasks.start(session.abort())

    async def hang_up(self, sid: str) -> None:
        """Close a connection after what is queued for it, without waiting for the peer."""
        if session := self.sockets.get(sid):
            await session.close(Reason.SERVER, goodbye=True)

    async def retire(self, over_s: float) -> None:
        """Hang up on whoever is connected now, at random over a while (WebSocket close 1012):
        they come back elsewhere, and not all at once."""
        sids = list(self.sockets)
        random.shuffle(sids)
        for sid in sids:
            self._say_restart()
            await self.hang_up(sid)
            await asyncio.sleep(over_s / len(sids))

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
    """The transport of a session: whole messages, and how much is still unsent."""

    def __init__(self, request: web.Request, max_bytes: int) -> None:
        self._request = request
        self.response = web.WebSocketResponse(
            max_msg_size=max_bytes, compress=False, timeout=_CLOSE_S
        )
        self.ended = asyncio.Event()
        self.close_code = WSCloseCode.OK
        self._in_hand_bytes = 0
        self._transport = request.transport

    async def prepare(self) -> None:
        await self.response.prepare(self._request)

    async def wait(self) -> str | bytes:
        message = await self.response.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise ConnectionResetError("the WebSocket has ended")
        data: str | bytes = message.data
        return data

    async def close(self) -> None:
        await self.response.close(code=self.close_code)

    @property
    def unsent_bytes(self) -> int:
        """Taken from the outbox, but not yet by the operating system."""
        written = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._in_hand_bytes + written

    def take(self, packets: Iterable[eio_packet.Packet]) -> None:
        self._in_hand_bytes = sum(map(packet_bytes, packets))

    async def send(self, message: str) -> None:
        await self.response.send_str(message)
        self._in_hand_bytes = max(0, self._in_hand_bytes - text_bytes(message))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
