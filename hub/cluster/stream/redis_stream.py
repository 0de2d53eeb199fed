"""One Redis stream of bytes: its writer and its reader, which survive outages of Redis.

Nothing waits for the stream, and nothing relies on it: what is lost is read from the database.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.cluster.settings import RedisSettings

log = structlog.get_logger(__name__)

EntryId = bytes | str

_FIELD: Final = b"e"
"""The one field of an entry."""
_BATCH: Final = 100
"""Entries in one round trip."""
_QUEUED_MAX: Final = 5_000
_BLOCK_MS: Final = 500
"""How long a read waits for new entries."""
_TIMEOUT_S: Final = 2.0
"""A connection that is silent for so long is given up."""
_RECONNECT_S: Final = (0.1, 0.2, 0.5, 1.0)
"""The waits before reconnecting; the last one is repeated."""
_UNAVAILABLE: Final = (RedisError, OSError, asyncio.TimeoutError)


class RedisStreamWriter:
    """Appends entries in the background. Entries that cannot be sent are dropped."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._queue: deque[bytes] = deque()
        self._not_empty, self._flushed = asyncio.Event(), asyncio.Event()
        self._flushed.set()
        self.sent = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def send(self, entry: bytes) -> None:
        """Queue an entry; never waits, never raises."""
        if len(self._queue) >= _QUEUED_MAX:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(entry)
        self._not_empty.set()
        self._flushed.clear()

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        failures = 0
        while True:
            redis = _connect(self._settings)
            try:
                while True:
                    await self._not_empty.wait()
                    await self._send_batch(redis)
                    failures = 0
            except _UNAVAILABLE as error:
                if failures == 0:
                    log.warning("stream_unwritable", error=str(error) or repr(error))
            finally:
                await _close(redis)
            self.dropped += len(self._queue)  # the others have read it from the database by then
            self._queue.clear()
            self._flushed.set()
            await _pause(failures)
            failures += 1

    async def flush(self, within_s: float = 1.0) -> None:
        """Wait until everything that is queued was sent, for a limited time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._flushed.wait()

    async def _send_batch(self, redis: Any) -> None:
        stream, queue = self._settings.stream, self._queue
        batch = [queue.popleft() for _ in range(min(_BATCH, len(queue)))]
        if not queue:
            self._not_empty.clear()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                pipe = redis.pipeline(transaction=False)
                for raw in batch:
                    pipe.xadd(
                        stream, {_FIELD: raw}, maxlen=self._settings.keep_entries, approximate=True
                    )
                await pipe.execute()
        except BaseException:
            self.dropped += len(batch)
            raise
        self.sent += len(batch)
        if not queue:
            self._flushed.set()


class RedisStreamReader:
    """Hands over the entries of all nodes, those of this node included, from now on.

    ``on_gap`` is called with a reason whenever entries may have been missed. Both callbacks are
    quick, synchronous, and do not raise.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        on_entry: Callable[[bytes], None],
        on_gap: Callable[[str], None],
    ) -> None:
        self._settings, self._on_entry, self._on_gap = settings, on_entry, on_gap
        self._restart = False
        self.up = False
        """Whether the last read succeeded."""
        self.received = 0

    def restart(self) -> None:
        """Continue at the end of the stream: it may have been replaced."""
        self._restart = True

    async def run(self) -> None:
        """Read until cancelled."""
        last: EntryId | None = None
        failures = 0
        while True:
            redis = _connect(self._settings)
            try:
                while True:
                    if last is None or self._restart:
                        last, self._restart = await self._end(redis), False
                        self._on_gap("started at the end")
                    last = await self._read_batch(redis, last)
                    self.up, failures = True, 0
            except _UNAVAILABLE as error:
                if self.up or failures == 0:
                    log.warning("stream_unreadable", error=str(error) or repr(error))
                self.up = False
                self._on_gap("unreadable")
            finally:
                await _close(redis)
            await _pause(failures)
            failures += 1

    async def _end(self, redis: Any) -> EntryId:
        async with asyncio.timeout(_TIMEOUT_S):
            newest = await redis.xrevrange(self._settings.stream, count=1)
        last: EntryId = newest[0][0] if newest else "0-0"
        return last

    async def _read_batch(self, redis: Any, last: EntryId) -> EntryId:
        async with asyncio.timeout(_TIMEOUT_S + _BLOCK_MS / 1_000):
            found = await redis.xread({self._settings.stream: last}, count=_BATCH, block=_BLOCK_MS)
        for _, entries in found or ():
            for entry_id, fields in entries:
                last = entry_id
                self.received += 1
                self._on_entry(fields.get(_FIELD, b""))
        return last


def _connect(settings: RedisSettings) -> Any:  # redis-py annotates its commands only in part
    return Redis.from_url(
        settings.url,
        protocol=2,
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S + _BLOCK_MS / 1_000,
        retry=Retry(NoBackoff(), 0),
    )


async def _pause(failures: int) -> None:
    await asyncio.sleep(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)])


async def _close(redis: Any) -> None:
    try:
        async with asyncio.timeout(1.0):
            await redis.aclose()
    except _UNAVAILABLE as error:
        log.debug("stream_unclosed", error=repr(error))
