"""One Engine.IO session: heartbeat, polling, WebSocket, and the upgrade between them.

python-engineio deviates from the protocol (revision 4), so its socket is not used. Here:

* ``pingInterval`` is sent in milliseconds, not rounded to whole seconds;
* a timer of the session ends it ``pingTimeout`` after an unanswered ping; python-engineio
  sweeps over all sockets from time to time. As in the reference server, any packet counts
  as a sign of life;
* only the server sends pings: one from a client ends the session;
* an upgrade must be completed in time, and leaves no stray packet on the WebSocket. Until
  then polls are answered with NOOP, and frames wait for the new transport;
* the last frames of a closing session (for example the reason) are there for one more poll;
* a poll returns at most 16 packets, because Python's clients accept no more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from actors.tasks import Spawn
from api.realtime.engineio.protocol import (
    MESSAGE_TYPE,
    SEPARATOR,
    Incoming,
    Malformed,
    PacketType,
    TransportName,
    packet_of,
)
from api.realtime.engineio.websocket import WebSocket
from api.realtime.rooms.frames import Frame
from api.realtime.rooms.send_buffer import SendBuffer, SendPolicy
from api.realtime.rooms.settings import RealtimeSettings

log = structlog.get_logger(__name__)

UPGRADE_S: Final = 10.0
"""How long an upgrade may take, as in the reference server."""
POLL_PACKETS_MAX: Final = 16
_PACKETS_PER_ITERATION: Final = 16
"""Packets of one WebSocket that are handled while they are read, and that many more from its
queue, before the event loop runs other tasks."""
_MESSAGE: Final = PacketType.MESSAGE  # Python 3.11 is slow at looking up an enumeration's member
_PROBE: Final = "probe"
_ABORT_S: Final = 2.0
"""How long a WebSocket may take to close when there is nothing left to send."""
_NOOP: Final = Frame(str(int(PacketType.NOOP)))
_PING: Final = Frame(str(int(PacketType.PING)))
_CLOSE: Final = Frame(str(int(PacketType.CLOSE)))


class CloseReason:
    """Why a session ended, for logs: the words of python-socketio."""

    SERVER: Final = "server disconnect"
    CLIENT: Final = "client disconnect"
    TIMEOUT: Final = "ping timeout"
    TRANSPORT_CLOSE: Final = "transport close"
    TRANSPORT_ERROR: Final = "transport error"
    TOO_SLOW: Final = "too slow"


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionCallbacks:
    """What a session calls; the first argument is its id."""

    message: Callable[[str, str | bytes], Awaitable[None] | None]
    """Handles a message; returns what is left to be awaited, if anything."""
    message_now: Callable[[str, str], bool]
    """Handles a text that leaves nothing to be awaited; false leaves it to ``message``."""
    closed: Callable[[str, str], Awaitable[None]]
    """With the reason."""
    too_slow: Callable[[str, int], None]
    """The session is dropped because this many bytes wait unread."""
    forget: Callable[[str], None]
    """The session has nothing left to send: its id is free."""
    spawn: Spawn


class EngineSession:
    """One connection, over polling or a WebSocket."""

    __slots__ = (
        "_awaits",
        "_buffer",
        "_callbacks",
        "_closed",
        "_handled_now",
        "_iteration",
        "_loop",
        "_no_poll",
        "_received_at",
        "_settings",
        "_time_slice",
        "_timer",
        "_upgrading",
        "_websocket",
        "posting",
        "send",
        "sid",
        "transport",
    )

    def __init__(
        self,
        sid: str,
        transport: TransportName,
        *,
        settings: RealtimeSettings,
        send_policy: SendPolicy,
        callbacks: SessionCallbacks,
    ) -> None:
        self.sid, self.transport = sid, transport
        self._settings, self._callbacks = settings, callbacks
        self._time_slice = send_policy.time_slice
        self._buffer = SendBuffer(send_policy, self._too_slow)
        self.send = self._buffer.put
        self.posting = False
        """A POST is being read."""
        self._upgrading = self._closed = False
        self._awaits = False
        """A packet is still being handled, and the next one must wait."""
        self._iteration, self._handled_now = -1, 0
        self._no_poll = asyncio.Event()
        self._no_poll.set()
        self._loop = asyncio.get_running_loop()
        self._received_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._websocket: WebSocket | None = None

    # --- heartbeat ---

    def open(self) -> None:
        """Send the handshake, and start the heartbeat."""
        greeting = {
            "sid": self.sid,
            "upgrades": ["websocket"] if self.transport == "polling" else [],
            "pingInterval": round(self._settings.ping_interval_s * 1_000),
            "pingTimeout": round(self._settings.ping_timeout_s * 1_000),
            "maxPayload": self._settings.max_message_bytes,
        }
        self.send(Frame(f"{int(PacketType.OPEN)}{orjson.dumps(greeting).decode()}"))
        self._ping_later()

    def _ping_later(self) -> None:
        self._set_timer(self._settings.ping_interval_s, self._ping)

    def _ping(self) -> None:
        self.send(_PING)
        self._set_timer(self._settings.ping_timeout_s, self._check_timeout)

    def _check_timeout(self) -> None:
        left_s = self._received_at + self._settings.ping_timeout_s - self._loop.time()
        if left_s > 0:
            self._set_timer(left_s, self._check_timeout)
        else:
            self._callbacks.spawn(self.close(CloseReason.TIMEOUT))

    def _set_timer(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, callback)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- incoming ---

    async def receive(self, packet: Incoming) -> None:
        """Handle one packet; raises Malformed for one that a client may not send."""
        if (rest := self._handle(packet)) is not None:
            await rest

    def _handle(self, packet: Incoming) -> Awaitable[None] | None:
        """Handle one packet; returns what is left to be awaited, for most packets nothing."""
        if self._closed:
            return None
        self._received_at = self._loop.time()
        kind, data = packet
        if kind is _MESSAGE:
            return self._callbacks.message(self.sid, data)
        if kind is PacketType.PONG:
            self._ping_later()
        elif kind is PacketType.CLOSE:
            return self.close(CloseReason.CLIENT)
        elif kind is PacketType.PING:
            raise Malformed("pings come from the server")
        return None

    def _handle_now(self, packet: str) -> bool:
        """Handle a message while it is read; false leaves it to the task that serves."""
        if self._closed or self._awaits or packet[:1] != MESSAGE_TYPE:
            return False
        iteration = self._time_slice.begin()
        if iteration != self._iteration:
            self._iteration, self._handled_now = iteration, 0
        self._handled_now += 1
        if self._handled_now > _PACKETS_PER_ITERATION:
            return False
        self._received_at = self._loop.time()
        return self._callbacks.message_now(self.sid, packet[1:])

    # --- polling ---

    @property
    def polling(self) -> bool:
        """A poll waits for packets."""
        return not self._no_poll.is_set()

    async def payload(self) -> str:
        """The answer to one poll: the queued packets, as soon as there is one."""
        if self._upgrading:
            return _NOOP.text
        self._no_poll.clear()
        try:
            # CLOSE alone: the official client acts on it at once, and on messages a little
            # later, so messages in the same payload would be lost.
            frames = await self._buffer.take(POLL_PACKETS_MAX, alone=_CLOSE)
        finally:
            self._no_poll.set()
        if self._closed and self._buffer.is_empty:
            self._stop_timer()
            self._forget()
        return SEPARATOR.join(frame.text for frame in frames) or _NOOP.text

    def _release_poll(self) -> None:
        """Answer a waiting poll, so that the client can continue on the WebSocket."""
        if self.polling and self._buffer.is_empty:
            self.send(_NOOP)

    # --- WebSocket ---

    async def serve(self, websocket: WebSocket) -> None:
        """Run on this WebSocket, from the start or after an upgrade, until it ends."""
        if self._websocket is not None or not await self._may_serve(websocket):
            await websocket.close()
            return
        self._websocket = websocket
        if (transport := websocket.byte_transport) is not None:
            self._buffer.write_to(transport, deflates=websocket.deflates)
        websocket.handle_now(self._handle_now)
        try:
            await self._read(websocket)
        finally:
            await self.close(CloseReason.TRANSPORT_CLOSE)
            await websocket.close()
            self._stop_timer()

    async def _may_serve(self, websocket: WebSocket) -> bool:
        """Whether the client completed an upgrade; if not, polling continues."""
        if self.transport == "websocket":
            return True
        if self._upgrading or self._closed:
            return False
        self._upgrading = True
        try:
            async with asyncio.timeout(UPGRADE_S):
                await self._probe(websocket)
        except (OSError, TimeoutError, Malformed):
            return False
        finally:
            self._upgrading = False
        self.transport = "websocket"
        return not self._closed

    async def _probe(self, websocket: WebSocket) -> None:
        while True:
            packet = packet_of(await websocket.receive())
            if packet[0] is PacketType.UPGRADE:
                break
            if packet != (PacketType.PING, _PROBE):
                raise Malformed("an upgrade begins with a probe")
            await websocket.send(f"{int(PacketType.PONG)}{_PROBE}")
            self._release_poll()
        self._release_poll()
        await self._no_poll.wait()  # a poll would take frames that belong on the WebSocket

    async def _read(self, websocket: WebSocket) -> None:
        in_a_row = 0
        try:
            while not self._closed:
                rest = self._handle(packet_of(await websocket.receive()))
                if rest is not None:
                    self._awaits = True
                    await rest
                    self._awaits = False
                in_a_row += 1
                if in_a_row == _PACKETS_PER_ITERATION:
                    in_a_row = 0
                    # messages that have already arrived do not suspend this task
                    await asyncio.sleep(0)
        except Malformed as malformed:
            log.warning("socket_frame_malformed", engine=self.sid, why=str(malformed))
        except OSError:
            pass  # the WebSocket has ended

    # --- the end ---

    def _too_slow(self, waiting_bytes: int) -> None:
        """The client does not read: drop its frames, and do not wait for it."""
        self._callbacks.too_slow(self.sid, waiting_bytes)
        self._callbacks.spawn(self.close(CloseReason.TOO_SLOW))
        if self._websocket is not None:
            self._websocket.abort()

    async def close(self, reason: str, *, goodbye: bool = False) -> None:
        """End the session; ``goodbye`` sends CLOSE behind the queued frames.

        Without it the queued frames are dropped: the client has gone, or broke the protocol.
        """
        if self._closed:
            return
        self._closed = True
        self._stop_timer()
        await self._callbacks.closed(self.sid, reason)
        if goodbye:
            self.send(_CLOSE)
        else:
            self._buffer.clear()
        self._buffer.end()
        if self.transport == "polling" and goodbye:
            self._set_timer(self._settings.ping_timeout_s, self._forget)
            return
        self._forget()
        if self._websocket is not None:
            wait_s = self._settings.ping_timeout_s if goodbye else _ABORT_S
            self._set_timer(wait_s, self._websocket.abort)
            self._callbacks.spawn(self._websocket.close())

    async def cut(self, *, goodbye: bool = False) -> None:
        """End a polling session at once; ``goodbye`` sends CLOSE to the waiting poll."""
        await self.close(CloseReason.TRANSPORT_ERROR, goodbye=goodbye)
        self._forget()

    def _forget(self) -> None:
        self._callbacks.forget(self.sid)
