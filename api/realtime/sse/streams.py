"""All live streams of this hub: who may have one, how each lives, how they end.

The end of a token is told before, the end of the hub with a moment to come back at: not
everybody's at once.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import RateLimited, Refusal, Unavailable
from actors.ports.clock import Clock
from actors.ports.commits import StoreUnavailable
from api.realtime.rooms.context import RoomsContext
from api.realtime.rooms.retiring import one_by_one
from api.realtime.rooms.settings import RealtimeSettings
from api.realtime.sse.frames import notice
from api.realtime.sse.stream import Bearer, ClientGone, ClientTooSlow, Ended, Stream, Write
from api.schemas.fields import instant_text

log = structlog.get_logger(__name__)

RETRY_MS: Final = (500, 3_000)
"""When a client comes back after a connection was lost: anywhere in between."""
RESTART_MS: Final = (1_000, 8_000)
"""The same after a hub said goodbye: all its streams end in one moment."""
_FULL_RETRY_S: Final = 5.0
_GOODBYE_S: Final = 2.0


class Streams:
    def __init__(
        self,
        *,
        context: RoomsContext,
        clock: Clock,
        settings: RealtimeSettings,
        leeway_s: float = 0.0,
        on_end: Callable[[str], None] = lambda _reason: None,
        on_slow: Callable[[], None] = lambda: None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._context, self._clock = context, clock
        self._settings, self._jitter = settings, jitter
        self.leeway_s = leeway_s
        self._on_end, self._on_slow = on_end, on_slow
        self._open: set[Stream] = set()
        self._of: Counter[str] = Counter()
        self.closing = False
        """The whole hub stops, and everybody has to go at once."""
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def room_for(self, principal: Principal) -> Iterator[None]:
        """A stream's place among those of its user, from before it is answered.

        Raises RateLimited for who has too many, Unavailable when the hub stops.
        """
        if self.closing:
            raise Unavailable
        scope = principal.scope
        if self._of[scope] >= self._settings.streams_per_user:
            raise RateLimited(_FULL_RETRY_S)
        self._of[scope] += 1
        try:
            yield
        finally:
            self._of[scope] -= 1
            if not self._of[scope]:
                del self._of[scope]

    async def run(
        self,
        bearer: Bearer,
        wanted: Mapping[Channel, Position | None],
        *,
        write: Write,
        abort: Callable[[], None],
    ) -> None:
        """Serve one stream until it ends; it has its room, and its channels were
        authorised. Never raises but for cancellation."""
        stream = Stream(
            bearer=bearer,
            wanted=wanted,
            rooms=self._context.rooms,
            joins=self._context.joins,
            write=write,
            abort=abort,
            max_buffer_bytes=self._settings.max_buffer_bytes,
            write_timeout_s=self._settings.stream_write_timeout_s,
        )
        life = _Life(stream, self)
        self._enter(stream)
        try:
            await life.live()
        except ClientTooSlow:
            stream.end(Ended.TOO_SLOW)
        except ClientGone:
            stream.end(Ended.CLIENT_LEFT)
        except (StoreUnavailable, Refusal):  # the database is away: the client comes back
            log.warning("stream_failed", exc_info=True)
            stream.end(Ended.FAILED)
        except Exception:  # the edge of every stream
            log.exception("stream_failed")
            stream.end(Ended.FAILED)
        finally:
            stream.end(Ended.CLIENT_LEFT)
            self._leave(stream)
        if stream.ended is Ended.FAILED:
            abort()  # an end without a goodbye, as when a connection is lost

    async def retire(self, over_s: float) -> None:
        """Send everybody elsewhere, over a while; whoever still comes is served."""
        async for stream in one_by_one(self._open, over_s):
            stream.end(Ended.HUB_STOPPING)

    async def close(self) -> None:
        """Say goodbye to everybody; who does not listen is not waited for."""
        self.closing = True
        for stream in list(self._open):
            stream.end(Ended.HUB_STOPPING)
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._empty.wait()
        except TimeoutError:
            log.warning("streams_left", count=len(self._open))
            for stream in list(self._open):
                stream.abort()

    # --- for the life of a stream ---

    @property
    def settings(self) -> RealtimeSettings:
        return self._settings

    def now(self) -> datetime:
        return self._clock.now()

    def retry_ms(self, between: tuple[int, int] = RETRY_MS) -> int:
        return round(self._jitter(*between))

    def _enter(self, stream: Stream) -> None:
        self._open.add(stream)
        self._empty.clear()

        async def lost() -> None:
            stream.end(Ended.RIGHTS_LOST)

        self._context.revocations.watch(stream, lost)

    def _leave(self, stream: Stream) -> None:
        stream.leave()
        self._context.revocations.forget(stream)
        self._open.discard(stream)
        if not self._open:
            self._empty.set()
        assert stream.ended is not None, "whoever leaves has ended"
        if stream.ended is Ended.TOO_SLOW:
            self._on_slow()
            log.warning("stream_too_slow", scope_role=stream.principal.role)
        self._on_end(stream.ended)


class _Life:
    """One stream from ``hub:ready`` to its goodbye."""

    def __init__(self, stream: Stream, streams: Streams) -> None:
        self._stream, self._streams = stream, streams
        self._told_expiring = False
        leeway = timedelta(seconds=streams.leeway_s)
        self._expires = stream.claims.expires_at + leeway

    async def live(self) -> None:
        stream = self._stream
        await stream.begin(retry_ms=self._streams.retry_ms())
        while not stream.closed:
            stream.wakes.clear()
            if stream.has_work:
                await stream.work()
            elif not stream.closed and not await self._woken():
                await stream.beat()
            await self._look()
        await self._say_goodbye()

    async def _woken(self) -> bool:
        """Whether there is something to do before the next heartbeat, or to look at."""
        wait_s = self._streams.settings.stream_heartbeat_s
        left_s = (self._next_look() - self._streams.now()).total_seconds()
        try:
            async with asyncio.timeout(max(0.0, min(wait_s, left_s))):
                await self._stream.wakes.wait()
        except TimeoutError:
            return left_s < wait_s
        return True

    def _next_look(self) -> datetime:
        notice_at = self._expires - timedelta(seconds=self._streams.settings.expiring_notice_s)
        return self._expires if self._told_expiring else notice_at

    async def _look(self) -> None:
        """At the token's end."""
        now = self._streams.now()
        if now >= self._expires:
            self._stream.end(Ended.TOKEN_EXPIRED)
            return
        if not self._told_expiring and now >= self._next_look():
            self._told_expiring = True
            await self._stream.write(notice("auth:expiring", self._expiry()))

    async def _say_goodbye(self) -> None:
        why = self._stream.ended
        if why in (Ended.TOO_SLOW, Ended.CLIENT_LEFT):
            return
        if why in (Ended.TOKEN_EXPIRED, Ended.RIGHTS_LOST):
            await self._stream.write(notice("auth:expired", self._expiry()))
            return
        # of a node that lets them go one by one, each may come back (elsewhere) soon
        between = RESTART_MS if self._streams.closing else RETRY_MS
        retry_ms = self._streams.retry_ms(between)
        await self._stream.write(notice("hub:closing", {"reason": why}, retry_ms=retry_ms))

    def _expiry(self) -> dict[str, str]:
        return {"expires_at": instant_text(self._stream.claims.expires_at)}
