"""One Socket.IO connection, from its attempt to its end. It is not reused afterwards.

python-socketio starts a task for each message in order of arrival, and tasks start in that
order. All handlers here are plain functions, so messages are handled in order, too.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import socketio  # type: ignore[import-untyped]  # ships no types

from chairside.client.errors import ConnectionLost, HubError

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S: Final = 1.0
"""Bound of an orderly close; a dead network answers nothing."""

OnMessage = Callable[[str, object], None]
OnData = Callable[[object], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class HubAddress:
    """Where and how to connect."""

    url: str
    namespace: str
    timeout_s: float
    session: aiohttp.ClientSession | None
    """``None``: each connection opens its own."""


class SocketIoConnection:
    """One connection. ``on_message`` receives every event of the hub."""

    def __init__(
        self,
        address: HubAddress,
        transports: Sequence[str],
        auth: Mapping[str, object],
        on_message: OnMessage,
    ) -> None:
        self._address, self._transports = address, transports
        self._auth, self._on_message = auth, on_message
        self._refusal: HubError | None = None
        self._pending: set[asyncio.Future[object]] = set()
        self._settled = asyncio.Event()  # hub:ready arrived, or the connection ended
        self.closed = asyncio.Event()
        self._http = _HttpSession(address.session)
        self._sio = socketio.AsyncClient(
            reconnection=False, handle_sigint=False, http_session=self._http
        )
        self._sio.on("connect_error", self._connect_refused, namespace=address.namespace)
        self._sio.on("disconnect", lambda *_reason: self._end(), namespace=address.namespace)
        self._sio.on("*", self._received, namespace=address.namespace)

    async def open(self, timeout_s: float) -> None:
        """Connect and wait for ``hub:ready``. Raises HubError, ConnectionLost."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._sio.connect(
                    self._address.url,
                    auth=dict(self._auth),
                    namespaces=[self._address.namespace],
                    transports=list(self._transports),
                    wait_timeout=timeout_s,
                )
                await self._settled.wait()
        except (socketio.exceptions.ConnectionError, TimeoutError, OSError) as lost:
            if self._refusal is not None:
                raise self._refusal from None
            raise ConnectionLost(str(lost) or type(lost).__name__) from lost
        # The library misses an end between the CONNECT packet and its own bookkeeping, so
        # check its transport as well.
        if self.closed.is_set() or self._sio.eio.state != "connected":
            raise ConnectionLost("closed while connecting")

    async def call(self, event: str, data: object, on_data: OnData | None = None) -> object:
        """Send one command and return the data of its ack; ``on_data`` gets it on arrival.

        A missing ack ends the connection, which may be half-open. The command's retry on the
        next connection, with the same idempotency key, learns the outcome.
        Raises HubError, ConnectionLost.
        """
        if self.closed.is_set():
            raise ConnectionLost(f"{event}: the connection is closed")
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._pending.add(answer)

        def acknowledged(ack: object = None, *_more: object) -> None:
            if answer.done():
                return
            if isinstance(ack, Mapping) and ack.get("ok") is True:
                if on_data is not None:
                    on_data(ack.get("data"))
                answer.set_result(ack.get("data"))
            else:
                answer.set_exception(HubError.from_json(ack))

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
            self._pending.discard(answer)

    async def close(self) -> None:
        """Close everything, even when cancelled."""
        self._end()
        try:
            with contextlib.suppress(
                socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, TimeoutError
            ):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._sio.disconnect()
        finally:
            await self._cancel_loops()

    async def _cancel_loops(self) -> None:
        """The library's loops may still run after a timeout or a broken connection."""
        engine = self._sio.eio
        loops = [task for task in (engine.read_loop_task, engine.write_loop_task) if task]
        for task in loops:
            task.cancel()
        try:
            await asyncio.gather(*loops, return_exceptions=True)
        finally:
            await self._http.close()

    def _received(self, event: str, data: object = None, *_more: object) -> None:
        if self.closed.is_set():
            return
        try:
            self._on_message(event, data)
        except Exception:  # one malformed message must not end the connection
            logger.exception("message not understood", extra={"event_name": event})
        if event == "hub:ready":
            self._settled.set()

    def _connect_refused(self, data: object = None, *_more: object) -> None:
        if isinstance(data, Mapping):
            self._refusal = HubError.from_json(data.get("data") or {"code": data.get("message")})

    def _end(self) -> None:
        self.closed.set()
        self._settled.set()
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(ConnectionLost("the connection ended"))


class _HttpSession:
    """The HTTP session of one connection: the given one, or its own.

    The library leaves WebSockets open in some cases, such as a failed upgrade. A shared session
    would keep them, so this class remembers and closes them.
    """

    def __init__(self, session: aiohttp.ClientSession | None) -> None:
        self._is_own = session is None
        self._session = session or aiohttp.ClientSession()
        self._websockets: list[aiohttp.ClientWebSocketResponse] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    async def ws_connect(
        self,
        url: str,
        **options: Any,  # the library's own options, passed on
    ) -> aiohttp.ClientWebSocketResponse:
        websocket: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(url, **options)
        self._websockets.append(websocket)
        return websocket

    async def close(self) -> None:
        """Close what is open, without waiting for the other side."""
        try:
            for websocket in self._websockets:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0):
                        await websocket.close()
        finally:
            if self._is_own:
                await self._session.close()
