"""The one place that knows python-engineio from the inside: connections below Socket.IO.

What the library leaves open or does otherwise than this product needs:

* tasks are owned, so that stopping leaves none behind;
* what waits for a socket is bounded in bytes, so a slow reader costs no memory;
* WebSocket compression is off: it costs four times the memory for small frames;
* malformed frames end the connection, instead of a stack trace for each.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import engineio  # type: ignore[import-untyped]  # ships no types
import structlog
from aiohttp import WSCloseCode, web
from engineio import packet as eio_packet
from engineio.async_drivers import aiohttp as driver  # type: ignore[import-untyped]  # ships no types

log = structlog.get_logger(__name__)

_FLUSH_S = 0.5
"""How long a closing socket may take to write what is queued."""
_CLOSE_S = 1.0
"""How long a peer may take to answer a WebSocket close."""
_FRAME = re.compile(r"4[0-9]|[1235](?:probe)?\Z")
"""What a client may begin a frame with: a Socket.IO packet, or a bare Engine.IO one."""


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
    _async: dict[str, Any]

    def __init__(
        self, *, max_buffer_bytes: int, on_slow: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(**options)
        self._max_buffer_bytes, self._on_slow = max_buffer_bytes, on_slow
        self._tasks = Tasks()
        self._async = {**self._async, "websocket": _WebSocket}
        self.websockets: dict[str, _WebSocket] = {}
        self._dropped: set[str] = set()
        self.stopping = False

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, None]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[None]:
        return self._tasks.start(target(*args, **kwargs))

    def create_queue(self, *args: Any, **kwargs: Any) -> "_Unsent":
        return _Unsent()

    async def send_packet(self, sid: str, pkt: eio_packet.Packet) -> None:
        self.write(sid, pkt)

    def write(self, sid: str, pkt: eio_packet.Packet) -> None:
        """Queue a packet; who has too much unread is closed, and catches up by offset.

        A peer that no longer answers pings is found by the library's own look at all.
        """
        socket = self.sockets.get(sid)
        if socket is None or socket.closed or socket.closing or sid in self._dropped:
            return
        websocket = self.websockets.get(sid)
        waiting = socket.queue.size_bytes + (websocket.unsent_bytes if websocket else 0)
        if waiting <= self._max_buffer_bytes:
            socket.queue.put_nowait(pkt)
            return
        log.warning("socket_too_slow", engine=sid, waiting_bytes=waiting)
        self._on_slow()
        self._dropped.add(sid)
        self._tasks.start(self._drop(socket, websocket))

    async def _drop(self, socket: Any, websocket: "_WebSocket | None") -> None:
        """Let go of a peer that does not read."""
        await socket.close(wait=False, abort=True, reason=self.reason.TRANSPORT_ERROR)
        socket.queue.clear()
        if websocket:
            websocket.abort()
        self._dropped.discard(socket.sid)

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
        """What a polling client posts is checked before the library believes it; what a
        WebSocket's writer has taken from the queue stays counted."""
        socket = self.sockets[sid]
        post = socket.handle_post_request

        async def checked(environ: dict[str, Any]) -> None:
            try:
                await post(environ)
            except (ValueError, IndexError, RecursionError, engineio.exceptions.EngineIOError) as e:
                log.warning("socket_post_malformed", engine=sid, error=type(e).__name__)
                await self.hang_up(sid)
                raise engineio.exceptions.EngineIOError from None  # answered with 400

        poll = socket.poll

        async def counted() -> list[eio_packet.Packet | None]:
            packets: list[eio_packet.Packet | None] = await poll()
            if websocket := self.websockets.get(sid):
                websocket.take(packets)
            return packets

        # the library has no place for a socket of our own
        socket.handle_post_request, socket.poll = checked, counted

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


class _Unsent(asyncio.Queue[eio_packet.Packet | None]):
    """The packets that wait for one socket, and how many bytes they are.

    ``_init``, ``_put`` and ``_get`` are what ``asyncio.Queue`` leaves to subclasses.
    """

    size_bytes: int

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.size_bytes = 0

    def _put(self, item: eio_packet.Packet | None) -> None:
        super()._put(item)
        self.size_bytes += _packet_bytes(item)

    def _get(self) -> eio_packet.Packet | None:
        item = super()._get()
        self.size_bytes -= _packet_bytes(item)
        return item

    def clear(self) -> None:
        """Forget what will never be read."""
        while not self.empty():
            self.get_nowait()
            self.task_done()


def _packet_bytes(packet: eio_packet.Packet | None) -> int:
    """Of its text; what has none (the greeting, a ping, the end) is a few bytes."""
    text = packet.data if packet is not None else None
    return _text_bytes(text) if isinstance(text, str) else 0


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class _WebSocket(driver.WebSocket):  # type: ignore[misc]  # the library ships no types
    def __init__(self, handler: Any, server: Engine) -> None:
        super().__init__(handler, server)
        self.ended = asyncio.Event()
        self._in_hand_bytes = 0
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

    @property
    def unsent_bytes(self) -> int:
        """Taken from the queue, but not yet by the operating system."""
        written = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return self._in_hand_bytes + written

    def take(self, packets: Iterable[eio_packet.Packet | None]) -> None:
        """The writer has these in hand, all that waited at once, and sends one by one."""
        self._in_hand_bytes = sum(map(_packet_bytes, packets))

    async def send(self, message: str) -> None:
        await super().send(message)
        self._in_hand_bytes = max(0, self._in_hand_bytes - _text_bytes(message))

    def abort(self) -> None:
        """Drop the connection now: the peer does not read."""
        if self._transport is not None:
            self._transport.abort()
