"""One Engine.IO session: heartbeat, polling, WebSocket, the change from one to the other.

python-engineio's socket deviates from the protocol (revision 4), so this takes its place:

* ``pingInterval`` is told in milliseconds as it is, not cut to whole seconds;
* the session ends ``pingTimeout`` after an unanswered ping, by a timer of its own, not
  when a sweep over all sockets comes along; other packets count as signs of life, as in
  the reference server;
* pings come from the server only: one from a client ends the session;
* an upgrade must be completed in time, and leaves no stray packet on the WebSocket; while
  it lasts a poll is answered with NOOP, and what is sent waits for the new transport;
* what a closing session still has to say (why it ends, for example) is there for one
  more poll;
* a poll gets at most 16 packets, for Python's clients take no more of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson
import structlog

from api.realtime.engineio.protocol import (
    SEPARATOR,
    Incoming,
    Kind,
    Malformed,
    Transport,
    packet_of,
)
from api.realtime.rooms.frames import Frame
from api.realtime.rooms.send_buffer import Outbox, Sending
from api.realtime.rooms.send_buffer import Transport as Writable

log = structlog.get_logger(__name__)

UPGRADE_S: Final = 10.0
"""How long an upgrade may take, as in the reference server."""
POLL_PACKETS_MAX: Final = 16
_PACKETS_A_TURN: Final = 16
"""Of one WebSocket, before others get their turn."""
_MESSAGE: Final = Kind.MESSAGE  # looked up once: in Python 3.11 that takes its time
_PROBE: Final = "probe"
_ABORT_S: Final = 2.0
"""How long a WebSocket may take to end when there is nothing to say."""


class Reason:
    """Why a session ended, in the library's words, for logs."""

    SERVER: Final = "server disconnect"
    CLIENT: Final = "client disconnect"
    TIMEOUT: Final = "ping timeout"
    TRANSPORT_CLOSE: Final = "transport close"
    TRANSPORT_ERROR: Final = "transport error"
    TOO_SLOW: Final = "too slow"


class WebSocket(Protocol):
    async def wait(self) -> str | bytes:
        """The next message; raises OSError when there will be none."""
        ...

    async def send(self, message: str) -> None:
        """Beside the session, while it may still be polling."""
        ...

    async def close(self) -> None:
        """Say goodbye and wait for the peer's, whoever asks first; then it has ended."""
        ...

    @property
    def writable(self) -> Writable | None:
        """Where frames are written; ``None``: it has gone already."""
        ...

    @property
    def deflates(self) -> bool:
        """The peer agreed to permessage-deflate."""
        ...

    def abort(self) -> None:
        """Drop the connection now: the peer does not read, or is not there."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """Times in seconds, the size in bytes; all of it is told to the client."""

    interval_s: float
    timeout_s: float
    max_payload_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """Whom a session tells what happens; ``spawn`` runs what must not wait."""

    message: Callable[[str, str | bytes], Awaitable[None] | None]
    """``None``: it was done with at once."""
    closed: Callable[[str, str], Awaitable[None]]
    slow: Callable[[str, int], None]
    """It is dropped because so many bytes wait unread."""
    forget: Callable[[str], None]
    """It has nothing more to say to anybody."""
    spawn: Callable[[Coroutine[Any, Any, None]], object]


class EngineSession:
    def __init__(
        self,
        sid: str,
        transport: Transport,
        *,
        beat: Beat,
        sending: Sending,
        owner: Owner,
    ) -> None:
        self.sid, self.transport = sid, transport
        self._beat, self._owner = beat, owner
        self._outbox = Outbox(sending, self._too_slow)
        self.send = self._outbox.put
        self.posting = self.upgrading = self.closed = False
        self._no_poll = asyncio.Event()
        self._no_poll.set()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._websocket: WebSocket | None = None

    # --- heartbeat ---

    def open(self) -> None:
        """Greet the client, and begin to ping it."""
        upgrades = ["websocket"] if self.transport == "polling" else []
        greeting = {
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": round(self._beat.interval_s * 1_000),
            "pingTimeout": round(self._beat.timeout_s * 1_000),
            "maxPayload": self._beat.max_payload_bytes,
        }
        self.send(Frame(f"{int(Kind.OPEN)}{orjson.dumps(greeting).decode()}"))
        self._ping_later()

    def _ping_later(self) -> None:
        self._set_timer(self._beat.interval_s, self._ping)

    def _ping(self) -> None:
        self.send(_PING)
        self._set_timer(self._beat.timeout_s, self._silent)

    def _silent(self) -> None:
        quiet_s = self._loop.time() - self._heard_at
        if quiet_s < self._beat.timeout_s:
            self._set_timer(self._beat.timeout_s - quiet_s, self._silent)
        else:
            self._owner.spawn(self.close(Reason.TIMEOUT))

    def _set_timer(self, delay_s: float, act: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, act)

    # --- incoming ---

    async def receive(self, packet: Incoming) -> None:
        """Raises Malformed for what a client may not send."""
        if (rest := self._take(packet)) is not None:
            await rest

    def _take(self, packet: Incoming) -> Awaitable[None] | None:
        """What is left to be waited for; most packets are done with at once."""
        if self.closed:
            return None
        self._heard_at = self._loop.time()
        kind, data = packet
        if kind is _MESSAGE:
            return self._owner.message(self.sid, data)
        if kind is Kind.PONG:
            self._ping_later()
        elif kind is Kind.CLOSE:
            return self.close(Reason.CLIENT)
        elif kind is Kind.PING:
            raise Malformed("pings come from the server")
        return None

    # --- polling ---

    @property
    def polling(self) -> bool:
        """Whether a poll waits for something to be sent."""
        return not self._no_poll.is_set()

    async def payload(self) -> str:
        """The answer to one poll: what waits, as soon as something does."""
        if self.upgrading:
            return _NOOP.text
        self._no_poll.clear()
        try:
            # CLOSE alone: the official client acts on it at once, and on messages a little
            # later, so what it is told in the same payload would come too late.
            frames = await self._outbox.take(POLL_PACKETS_MAX, alone=_CLOSE)
        finally:
            self._no_poll.set()
        if self.closed and self._outbox.is_empty:
            self._stop_timer()
            self._forget()
        return SEPARATOR.join(frame.text for frame in frames) or _NOOP.text

    def _release_poll(self) -> None:
        """A poll that waits is answered, so that the client may go on elsewhere."""
        if self.polling and self._outbox.is_empty:
            self.send(_NOOP)

    # --- WebSocket ---

    async def serve(self, websocket: WebSocket) -> None:
        """Live on this WebSocket, from the start or after an upgrade, until it ends."""
        if self._websocket is not None or not await self._may_serve(websocket):
            await websocket.close()
            return
        self._websocket = websocket
        if (writable := websocket.writable) is not None:
            self._outbox.write_to(writable, deflates=websocket.deflates)
        try:
            await self._read(websocket)
        finally:
            await self.close(Reason.TRANSPORT_CLOSE)
            await websocket.close()
            self._stop_timer()

    async def _may_serve(self, websocket: WebSocket) -> bool:
        """Whether the client went through with an upgrade; if not, polling just goes on."""
        if self.transport == "websocket":
            return True
        if self.upgrading or self.closed:
            return False
        self.upgrading = True
        try:
            async with asyncio.timeout(UPGRADE_S):
                await self._probed(websocket)
        except (OSError, TimeoutError, Malformed):
            return False
        finally:
            self.upgrading = False
        self.transport = "websocket"
        return not self.closed

    async def _probed(self, websocket: WebSocket) -> None:
        while True:
            packet = packet_of(await websocket.wait())
            if packet[0] is Kind.UPGRADE:
                break
            if packet != (Kind.PING, _PROBE):
                raise Malformed("an upgrade begins with a probe")
            await websocket.send(f"{int(Kind.PONG)}{_PROBE}")
            self._release_poll()
        self._release_poll()
        await self._no_poll.wait()  # it would take what is for the WebSocket

    async def _read(self, websocket: WebSocket) -> None:
        in_a_row = 0
        try:
            while not self.closed:
                rest = self._take(packet_of(await websocket.wait()))
                if rest is not None:
                    await rest
                in_a_row += 1
                if in_a_row == _PACKETS_A_TURN:  # what has come already does not let others in
                    in_a_row = 0
                    await asyncio.sleep(0)
        except Malformed as malformed:
            log.warning("socket_frame_malformed", engine=self.sid, why=str(malformed))
        except OSError:
            pass  # it has ended, one way or the other

    # --- the end ---

    def _too_slow(self, waiting_bytes: int) -> None:
        """It does not read: nothing is kept for it, and nobody waits for it."""
        self._owner.slow(self.sid, waiting_bytes)
        self._owner.spawn(self.close(Reason.TOO_SLOW))
        if self._websocket is not None:
            self._websocket.abort()

    async def close(self, reason: str, *, goodbye: bool = False) -> None:
        """End the session; ``goodbye`` sends CLOSE behind what still waits.

        Without it nothing more is said: the client has gone, or broke the protocol.
        """
        if self.closed:
            return
        self.closed = True
        self._stop_timer()
        await self._owner.closed(self.sid, reason)
        if goodbye:
            self.send(_CLOSE)
        else:
            self._outbox.clear()
        self._outbox.end()
        if self.transport == "polling" and goodbye:
            self._set_timer(self._beat.timeout_s, self._forget)
            return
        self._forget()
        if self._websocket is not None:
            self._set_timer(self._beat.timeout_s if goodbye else _ABORT_S, self._websocket.abort)
            self._owner.spawn(self._websocket.close())

    async def cut(self, *, goodbye: bool = False) -> None:
        await self.close(Reason.TRANSPORT_ERROR, goodbye=goodbye)
        self._forget()

    def _forget(self) -> None:
        self._owner.forget(self.sid)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_NOOP: Final = Frame(str(int(Kind.NOOP)))
_PING: Final = Frame(str(int(Kind.PING)))
_CLOSE: Final = Frame(str(int(Kind.CLOSE)))
