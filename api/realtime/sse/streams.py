"""All event streams of this process: admission, serving, and how they end."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

import structlog

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import Refusal, Unavailable
from actors.ports.commits import StoreUnavailable
from api.realtime.rooms.connection_limit import ConnectionLimit
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.expiry import TokenExpiry
from api.realtime.rooms.retiring import one_by_one
from api.realtime.sse.frames import HEARTBEAT, notice
from api.realtime.sse.stream import Bearer, ClientGone, Ended, EventStream, Write

log = structlog.get_logger(__name__)

RETRY_MS: Final = (500, 3_000)
"""Clients reconnect after a random time in this range when the connection was lost."""
RESTART_MS: Final = (1_000, 8_000)
"""The range after the hub has stopped, which ends all streams at the same moment."""
_CLOSE_S: Final = 2.0


class EventStreams:
    """Serves streams; limits their number for each user, and ends them."""

    def __init__(
        self,
        deps: RealtimeDeps,
        *,
        on_end: Callable[[str], None],
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._deps, self._context, self._settings = deps, deps.context, deps.settings
        self._on_end, self._jitter = on_end, jitter
        self._open: set[EventStream] = set()
        self._admitted = ConnectionLimit(deps.settings.streams_per_user)
        """Counts streams that are not yet served, too."""
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._expiry = TokenExpiry[EventStream](
            deps.clock,
            notice_s=deps.settings.expiring_notice_s,
            leeway_s=deps.verifier.leeway_s,
            announce=EventStream.announce_expiry,
            end=lambda stream: stream.end(Ended.TOKEN_EXPIRED),
        )

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def admit(self, principal: Principal) -> Iterator[None]:
        """Count a stream of a user for as long as the block lasts.

        Raises RateLimited if the user has too many, Unavailable when the hub stops.
        """
        if self._closing:
            raise Unavailable
        self._admitted.enter(principal.scope)
        try:
            yield
        finally:
            self._admitted.leave(principal.scope)

    async def run(
        self,
        bearer: Bearer,
        wanted: Mapping[Channel, Position | None],
        *,
        write: Write,
        abort: Callable[[], None],
    ) -> None:
        """Serve one stream until it ends; raises nothing but CancelledError.

        The caller has admitted it (:meth:`admit`) and authorised its channels.
        """
        stream = EventStream(
            bearer, wanted, self._context, self._settings, write=write, abort=abort
        )
        self._add(stream)
        try:
            await self._serve(stream)
        except ClientGone:
            stream.end(Ended.CLIENT_LEFT)
        except (StoreUnavailable, Refusal):  # the database is away; the client reconnects
            log.warning("stream_failed", exc_info=True)
            stream.end(Ended.FAILED)
        except Exception:  # a failure must end this stream only
            log.exception("stream_failed")
            stream.end(Ended.FAILED)
        finally:
            stream.end(Ended.CLIENT_LEFT)
            self._remove(stream)
        if stream.ended is Ended.FAILED:
            abort()  # without a last message, as when a connection is lost

    async def retire(self, over_s: float) -> None:
        """End the present streams one by one over a while; new ones are still served."""
        async for stream in one_by_one(self._open, over_s):
            stream.end(Ended.HUB_STOPPING)

    async def close(self) -> None:
        """End all streams; abort those whose clients do not read their last message."""
        self._closing = True
        for stream in list(self._open):
            stream.end(Ended.HUB_STOPPING)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._empty.wait()
        except TimeoutError:
            log.warning("streams_left", count=len(self._open))
            for stream in list(self._open):
                stream.abort()

    # --- one stream ---

    def _add(self, stream: EventStream) -> None:
        self._open.add(stream)
        self._empty.clear()
        self._context.revocations.watch(stream, partial(stream.end, Ended.RIGHTS_LOST))
        self._expiry.watch(stream)

    def _remove(self, stream: EventStream) -> None:
        self._context.rooms.leave_all(stream)
        self._expiry.forget(stream)
        self._context.revocations.forget(stream)
        self._open.discard(stream)
        if not self._open:
            self._empty.set()
        assert stream.ended is not None, "a stream is removed when it has ended"
        if stream.ended is Ended.TOO_SLOW:
            self._deps.on_slow()
            log.warning("stream_too_slow", scope_role=stream.principal.role)
        self._on_end(stream.ended)

    async def _serve(self, stream: EventStream) -> None:
        """From ``hub:ready`` to the last message."""
        await stream.begin(retry_ms=self._retry_ms(RETRY_MS))
        while not stream.closed:
            stream.wakes.clear()
            if stream.has_work:
                await stream.work()
                continue
            try:
                async with asyncio.timeout(self._settings.stream_heartbeat_s):
                    await stream.wakes.wait()
            except TimeoutError:
                await stream.write(HEARTBEAT)
        await self._write_last(stream)

    async def _write_last(self, stream: EventStream) -> None:
        """Write why the stream ends, and when the client should reconnect."""
        match stream.ended:
            case Ended.TOKEN_EXPIRED | Ended.RIGHTS_LOST:
                await stream.write(notice("auth:expired", stream.expiry))
            case Ended.HUB_STOPPING:
                # A node that retires ends its streams at different moments.
                retry_ms = self._retry_ms(RESTART_MS if self._closing else RETRY_MS)
                reason = {"reason": stream.ended}
                await stream.write(notice("hub:closing", reason, retry_ms=retry_ms))

    def _retry_ms(self, between: tuple[int, int]) -> int:
        return round(self._jitter(*between))
