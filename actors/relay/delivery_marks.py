"""Marks events as broadcast in the log, off the hot path (criterion 10.1)."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

import structlog

from actors.ports.events import Delivery, EventLog
from actors.tasks import Tasks

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_LAST_FLUSH_S = 5.0


class DeliveryMarks:
    """Writes deliveries to the log in batches; broadcasting never waits for it.

    If the log cannot be written, up to ``kept_max`` deliveries are kept and written later.
    An event whose mark is lost stays pending and is broadcast again at the next start, where
    subscribers drop it by its position.
    """

    def __init__(
        self, events: EventLog, *, interval_s: float, batch_max: int, kept_max: int
    ) -> None:
        self._events = events
        self._interval_s, self._batch_max, self._kept_max = interval_s, batch_max, kept_max
        self._kept: deque[Delivery] = deque()
        self._some, self._full = asyncio.Event(), asyncio.Event()
        self._writing = asyncio.Lock()
        self._tasks = Tasks()
        self._failing = False
        self._lost = 0

    def start(self) -> None:
        self._tasks.start(self._run())

    def add(self, deliveries: Sequence[Delivery]) -> None:
        self._kept += deliveries
        while len(self._kept) > self._kept_max:
            self._kept.popleft()
            self._lost += 1
        self._some.set()
        if len(self._kept) >= self._batch_max:
            self._full.set()

    async def stop(self) -> None:
        """Write what is left, once, with a time limit."""
        await self._tasks.finish()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_FLUSH_S):
                await self.flush()
        if self._kept:
            log.warning("deliveries_not_marked", count=len(self._kept))

    async def flush(self) -> bool:
        """Write everything that was added; returns whether that succeeded."""
        async with self._writing:
            while self._kept:
                if not await self._write():
                    return False
            self._some.clear()
            self._full.clear()
        return True

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._full.wait()
            if not await self.flush():
                await asyncio.sleep(_RETRY_S)

    async def _write(self) -> bool:
        batch = [self._kept.popleft() for _ in range(min(self._batch_max, len(self._kept)))]
        try:
            await self._events.mark(batch)
        except BaseException as error:
            self._kept.extendleft(reversed(batch))
            if not isinstance(error, Exception):
                raise
            if not self._failing:  # logged once in each outage
                log.exception("deliveries_unmarkable", count=len(self._kept))
            self._failing = True
            return False
        if self._failing:
            log.info("deliveries_markable_again", lost=self._lost)
        self._failing = False
        return True
