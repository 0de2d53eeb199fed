"""The Engine.IO server: all connections below Socket.IO.

``endpoint.py`` answers the HTTP requests, ``session.py`` is one connection. WebSocket
compression is off by default, because it costs four times the memory.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog
from aiohttp import WSCloseCode, web

from actors.tasks import Tasks
from api.realtime.engineio.protocol import MESSAGE_TYPE, TransportName
from api.realtime.engineio.session import CloseReason, EngineSession, SessionCallbacks
from api.realtime.engineio.websocket import CLOSE_S, WebSocket
from api.realtime.rooms.frames import Frame, Send, Sent
from api.realtime.rooms.retiring import one_by_one
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.rooms.settings import RealtimeSettings

log = structlog.get_logger(__name__)

_FLUSH_S: Final = 0.5
"""How long a closing socket may take to write what is queued."""
_ID_BYTES: Final = 15


class EngineListener(Protocol):
    """Receives what happens on the connections; ``sid`` identifies the Engine.IO session."""

    async def opened(self, sid: str) -> None: ...

    def message(self, sid: str, data: str | bytes) -> Awaitable[None] | None:
        """Handles one message; returns what is left to be awaited, if anything."""
        ...

    def message_now(self, sid: str, data: str) -> bool:
        """Handles a message that leaves nothing to be awaited; false leaves it to ``message``.

        It must not raise, and does nothing if it returns false.
        """
        ...

    async def closed(self, sid: str, reason: str) -> None: ...


class Engine:
    """Opens, finds and closes Engine.IO sessions."""

    def __init__(
        self,
        listener: EngineListener,
        settings: RealtimeSettings,
        *,
        send_policy: SendPolicy,
        on_slow: Callable[[], None],
    ) -> None:
        self._listener, self._settings = listener, settings
        self._send_policy, self._on_slow = send_policy, on_slow
        self._sessions: dict[str, EngineSession] = {}
        self._websockets: set[WebSocket] = set()
        self._tasks = Tasks()
        self._callbacks = SessionCallbacks(
            message=listener.message,
            message_now=listener.message_now,
            closed=listener.closed,
            too_slow=self._too_slow,
            forget=self._forget,
            spawn=self._tasks.start,
        )

    # --- requests, for the endpoint ---

    def find(self, sid: str) -> EngineSession | None:
        return self._sessions.get(sid)

    async def open(self, transport: TransportName) -> EngineSession:
        session = EngineSession(
            new_sid(),
            transport,
            settings=self._settings,
            send_policy=self._send_policy,
            callbacks=self._callbacks,
        )
        self._sessions[session.sid] = session
        session.open()
        await self._listener.opened(session.sid)
        return session

    async def serve(
        self, session: EngineSession | None, request: web.Request
    ) -> web.StreamResponse:
        """Run a new session, or one that polled, on a WebSocket until it ends."""
        websocket = WebSocket(
            request,
            self._settings.max_message_bytes,
            compress=self._send_policy.deflate_from_bytes is not None,
        )
        await websocket.response.prepare(request)
        session = session or await self.open("websocket")
        self._websockets.add(websocket)
        try:
            await session.serve(websocket)
        finally:
            self._websockets.discard(websocket)
            websocket.ended.set()
        return websocket.response

    # --- callbacks of the sessions ---

    def _forget(self, sid: str) -> None:
        self._sessions.pop(sid, None)

    def _too_slow(self, sid: str, waiting_bytes: int) -> None:
        log.warning("socket_too_slow", engine=sid, waiting_bytes=waiting_bytes)
        self._on_slow()

    # --- for Socket.IO ---

    def sender(self, sid: str) -> Send:
        """Sends ready frames on one connection; frames to a closed one are dropped."""
        session = self._sessions.get(sid)
        return _drop if session is None else session.send

    def send(self, sid: str, message: str) -> None:
        """Send one text message; a message to a closed connection is dropped."""
        self.sender(sid)(Frame(MESSAGE_TYPE + message))

    async def hang_up(self, sid: str) -> None:
        """Close a connection after its queued frames, without waiting for the peer."""
        if session := self._sessions.get(sid):
            await session.close(CloseReason.SERVER, goodbye=True)

    async def retire(self, over_s: float) -> None:
        """Hang up today's connections at random over a while (WebSocket close 1012).

        So their clients do not all connect to other nodes in one moment.
        """
        async for sid in one_by_one(self._sessions, over_s):
            self._announce_restart()
            await self.hang_up(sid)

    def _announce_restart(self) -> None:
        for websocket in self._websockets:
            websocket.close_code = WSCloseCode.SERVICE_RESTART

    async def close(self) -> None:
        """Hang up every connection, wait a moment for the peers, end all tasks."""
        self._announce_restart()
        for sid in list(self._sessions):
            await self.hang_up(sid)
        await self._wait_for_peers()
        for websocket in list(self._websockets):
            websocket.abort()
        await self._wait_for_peers()
        self._sessions.clear()
        await self._tasks.finish()

    async def _wait_for_peers(self) -> None:
        ends = [asyncio.ensure_future(each.ended.wait()) for each in self._websockets]
        if ends:
            _, late = await asyncio.wait(ends, timeout=_FLUSH_S + CLOSE_S)
            for end in late:
                end.cancel()


def new_sid() -> str:
    """A session id that cannot be guessed."""
    return secrets.token_urlsafe(_ID_BYTES)


def _drop(frame: Sent, *, more: bool = False) -> None:
    """The sender of a connection that has closed."""
