"""The one stream of all nodes, in Redis: written behind the commits, read from a cursor.

Nothing here is trusted and nothing waits for it. What cannot be sent is dropped with its
number used up, so that the others see that something is missing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

Cursor = bytes | str
"""An entry's id: what comes after it is still to be read."""

STREAM = "chairside:events"
_FIELD = b"e"
"""The one field of an entry."""
_AT_ONCE = 100
"""Entries in one round trip, each way."""
_WAIT_MS = 500
_TIMEOUT_S = 2.0
"""Without a word of Redis for so long, the connection is given up."""
_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 1.0)
_BROKEN = (RedisError, OSError, asyncio.TimeoutError)


class Stream:
    """Of bytes. ``on_entry`` is called for every entry, one's own included; ``on_break``
    whenever some may have been missed. Both are quick, synchronous, and do not raise."""

    def __init__(
        self,
        url: str,
        *,
        on_entry: Callable[[bytes], None],
        on_break: Callable[[str], None],
        name: str = STREAM,
        keep: int = 20_000,
        waiting_max: int = 5_000,
    ) -> None:
        self._url, self._name = url, name
        self._on_entry, self._on_break = on_entry, on_break
        self._keep, self._waiting_max = keep, waiting_max
        self._waiting: deque[bytes] = deque()
        self._some, self._none = asyncio.Event(), asyncio.Event()
        self._none.set()
        self._restart = False
        self.up = False
        """Whether the last attempt to read succeeded."""
        self.sent = 0
        self.dropped = 0
        """Entries that could not be sent."""
        self.received = 0

    def send(self, entry: bytes) -> None:
        """Queue an entry; never waits, never raises."""
        if len(self._waiting) >= self._waiting_max:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(entry)
        self._some.set()
        self._none.clear()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take_up_anew(self) -> None:
        """Begin again at the stream's end: one's own beats do not come back any more."""
        self._restart = True

    # --- writing ---

    async def write(self) -> None:
        """Send what is queued, until cancelled."""
        failures = 0
        while True:
            redis = self._connect()
            try:
                while True:
                    await self._some.wait()
                    await self._write_some(redis)
                    failures = 0
            except _BROKEN as error:
                if failures == 0:
                    log.warning("stream_unwritable", error=str(error) or repr(error))
            finally:
                await _close(redis)
            self.dropped += len(self._waiting)  # old news by then: the database has it
            self._waiting.clear()
            self._none.set()
            await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
            failures += 1

    async def flush(self, within_s: float = 1.0) -> None:
        """Let what is queued go out, if that is quickly done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._none.wait()

    async def _write_some(self, redis: Any) -> None:
        some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
        if not self._waiting:
            self._some.clear()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                pipe = redis.pipeline(transaction=False)
                for raw in some:
                    pipe.xadd(self._name, {_FIELD: raw}, maxlen=self._keep, approximate=True)
                await pipe.execute()
        except BaseException:
            self.dropped += len(some)
            raise
        self.sent += len(some)
        if not self._waiting:
            self._none.set()

    # --- reading ---

    async def read(self) -> None:
        """Hand over what comes, until cancelled."""
        cursor: Cursor | None = None
        failures = 0
        while True:
            redis = self._connect()
            try:
                while True:
                    if cursor is None or self._restart:
                        cursor, self._restart = await self._end(redis), False
                        self._on_break("taken up")
                    cursor = await self._read_some(redis, cursor)
                    self.up, failures = True, 0
            except _BROKEN as error:
                if self.up or failures == 0:
                    log.warning("stream_unreadable", error=str(error) or repr(error))
                self.up = False
                self._on_break("unreadable")
            finally:
                await _close(redis)
            await asyncio.sleep(_AGAIN_S[min(failures, len(_AGAIN_S) - 1)])
            failures += 1

    async def _end(self, redis: Any) -> Cursor:
        async with asyncio.timeout(_TIMEOUT_S):
            last = await redis.xrevrange(self._name, count=1)
        cursor: Cursor = last[0][0] if last else "0-0"
        return cursor

    async def _read_some(self, redis: Any, cursor: Cursor) -> Cursor:
        async with asyncio.timeout(_TIMEOUT_S + _WAIT_MS / 1_000):
            found = await redis.xread({self._name: cursor}, count=_AT_ONCE, block=_WAIT_MS)
        for _, entries in found or ():
            for entry_id, fields in entries:
                cursor = entry_id
                self.received += 1
                self._on_entry(fields.get(_FIELD, b""))
        return cursor

    def _connect(self) -> Any:
        return Redis.from_url(
            self._url,
            protocol=2,
            socket_connect_timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S + _WAIT_MS / 1_000,
            retry=Retry(NoBackoff(), 0),
        )


async def _close(redis: Any) -> None:
    try:
        async with asyncio.timeout(1.0):
            await redis.aclose()
    except _BROKEN as error:
        log.debug("stream_unclosed", error=repr(error))
