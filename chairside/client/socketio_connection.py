"""One Socket.IO connection, from the attempt to its end; never used again afterwards.

python-socketio starts a task per message in the order of arrival, and tasks run first
come first served; as every handler here is a plain function, order is kept.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import socketio  # type: ignore[import-untyped]  # ships no types

from chairside.client.errors import ConnectionLost, HubError

logger = logging.getLogger(__name__)

CLOSE_S = 1.0
"""How long a goodbye may take: on a dead network nobody answers it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where and how to connect."""

    url: str
    namespace: str
    timeout_s: float
    session: aiohttp.ClientSession | None
    """``None``: each connection makes its own."""


class Link:
    """``received`` gets every event; :meth:`opened` is called when ``hub:ready`` was."""

    def __init__(
        self,
        address: Address,
        transports: Sequence[str],
        auth: Mapping[str, Any],
        received: Callable[["Link", str, Any], None],
    ) -> None:
        self._address, self._transports = address, transports
        self._auth, self._received = auth, received
        self._refusal: HubError | None = None
        self._waiting: set[asyncio.Future[Any]] = set()
        self._settled = asyncio.Event()  # hub:ready came, or the connection ended
        self.closed = asyncio.Event()
        self._http = _Http(address.session)
        self._sio = socketio.AsyncClient(
            reconnection=False, handle_sigint=False, http_session=self._http
        )
        self._sio.on("connect_error", self._refused, namespace=address.namespace)
        self._sio.on("disconnect", self._disconnected, namespace=address.namespace)
        self._sio.on("*", self._event, namespace=address.namespace)

    async def open(self, within_s: float) -> None:
        """Connect and wait for ``hub:ready``; raises HubError, ConnectionLost."""
        try:
            async with asyncio.timeout(within_s):
                await self._sio.connect(
                    self._address.url,
                    auth=dict(self._auth),
                    namespaces=[self._address.namespace],
                    transports=list(self._transports),
                    wait_timeout=within_s,
                )
                await self._settled.wait()
        except (socketio.exceptions.ConnectionError, TimeoutError, OSError) as lost:
            if self._refusal is not None:
                raise self._refusal from None
            raise ConnectionLost(str(lost) or type(lost).__name__) from lost
        # The library does not notice an end between the connect packet and its own
        # bookkeeping, so its transport is asked once more.
        if self.closed.is_set() or self._sio.eio.state != "connected":
            raise ConnectionLost("closed while connecting")

    def opened(self) -> None:
        self._settled.set()

    async def call(
        self, event: str, data: Any, on_data: Callable[[Any], None] | None = None
    ) -> Any:
        """One command and the data of its ack; ``on_data`` gets it first, on arrival.

        An ack that does not come in time ends the connection: it may well be half-open,
        and the next one, with the same idempotency key, tells what became of the command.
        """
        if self.closed.is_set():
            raise ConnectionLost(f"{event}: the connection is closed")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(answer)

        def acknowledged(*args: Any) -> None:
            if not answer.done():
                _settle(answer, args[0] if args else None, on_data)

        try:
            async with asyncio.timeout(self._address.timeout_s):
                await self._sio.emit(
                    event, data, namespace=self._address.namespace, callback=acknowledged
                )
                return await answer
        except (TimeoutError, socketio.exceptions.SocketIOError) as lost:
            self._end()
            raise ConnectionLost(f"{event}: {type(lost).__name__}") from lost
        finally:
            self._waiting.discard(answer)

    async def close(self) -> None:
        """Leaves nothing behind, even when it is cancelled."""
        self._end()
        try:
            with contextlib.suppress(
                socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, TimeoutError
            ):
                async with asyncio.timeout(CLOSE_S):
                    await self._sio.disconnect()
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        """Past the bound, or when it broke by itself, the library's loops may still wait."""
        engine = self._sio.eio
        loops = [task for task in (engine.read_loop_task, engine.write_loop_task) if task]
        for task in loops:
            task.cancel()
        try:
            await asyncio.gather(*loops, return_exceptions=True)
        finally:
            await self._http.close()

    def _event(self, event: str, data: Any = None, *_more: Any) -> None:
        if not self.closed.is_set():
            try:
                self._received(self, event, data)
            except Exception:  # edge: one unreadable message must not end the connection
                logger.exception("message not understood", extra={"event_name": event})

    def _refused(self, data: Any = None, *_more: Any) -> None:
        if isinstance(data, Mapping):
            self._refusal = HubError.from_json(data.get("data") or {"code": data.get("message")})

    def _disconnected(self, *_reason: Any) -> None:
        self._end()

    def _end(self) -> None:
        self.closed.set()
        self._settled.set()
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(ConnectionLost("the connection ended"))


class _Http:
    """The library's way to the network: a client session, its own unless there is one.

    The library drops WebSockets that it does not close, after an upgrade that failed, for
    example, or when a hub falls silent. In a session that lives on they would stay open.
    """

    def __init__(self, session: aiohttp.ClientSession | None) -> None:
        self._own = None if session else aiohttp.ClientSession()
        self._session = session or self._own
        self._websockets: list[aiohttp.ClientWebSocketResponse] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def ws_connect(self, *args: Any, **options: Any) -> aiohttp.ClientWebSocketResponse:
        assert self._session is not None
        websocket: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(
            *args, **options
        )
        self._websockets.append(websocket)
        return websocket

    async def close(self) -> None:
        """Let go of what is open, without waiting for anybody's goodbye."""
        try:
            for websocket in self._websockets:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0):
                        await websocket.close()
        finally:
            if self._own is not None:
                await self._own.close()


def _settle(answer: asyncio.Future[Any], ack: Any, on_data: Callable[[Any], None] | None) -> None:
    if isinstance(ack, Mapping) and ack.get("ok") is True:
        if on_data is not None:
            on_data(ack.get("data"))
        answer.set_result(ack.get("data"))
    else:
        answer.set_exception(HubError.from_json(ack))
