"""Expires holds when their time is over: a heap of due holds and one timer.

Correctness does not depend on alarms. Each command compares ``expires_at`` with the clock, and
``expires_at`` is stored, so that a late alarm or a restart changes nothing (criterion 8.3). An
alarm only makes the expiry visible to others soon.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from actors.domain.refusals import NotFound, Refusal
from actors.ports.calendars import DueHold
from actors.ports.clock import Clock

log = logging.getLogger(__name__)

Expire = Callable[[DueHold], Awaitable[object]]

_CONCURRENCY = 64
"""Calls of ``expire`` under way at the same time."""
_RETRY_AFTER = timedelta(seconds=1)


class Alarms:
    """Has each hold expired when it is due; again after a moment if that fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[datetime, str, DueHold]] = []
        self._sooner = asyncio.Event()
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: DueHold) -> None:
        self._push(due.expires_at, due)

    async def run(self, expire: Expire) -> None:
        """Call ``expire`` for each due hold until cancelled; calls under way are cancelled, too."""
        async with asyncio.TaskGroup() as expiries:
            while True:
                self._sooner.clear()
                wait_s = self._until_next_s()
                if wait_s is None or wait_s > 0:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await self._sooner.wait()
                    continue
                _, _, due = heapq.heappop(self._heap)
                await self._slots.acquire()
                expiries.create_task(self._expire(due, expire))

    async def _expire(self, due: DueHold, expire: Expire) -> None:
        """Expire one hold; a busy calendar or an unreachable database is retried."""
        try:
            await expire(due)
        except NotFound:
            log.warning("alarm_without_hold", extra={"appointment_id": due.appointment_id})
        except Refusal as refusal:
            log.warning(
                "alarm_postponed",
                extra={"appointment_id": due.appointment_id, "code": refusal.code},
            )
            self._push(self._clock.now() + _RETRY_AFTER, due)
        except Exception:
            log.exception("alarm_failed", extra={"appointment_id": due.appointment_id})
            self._push(self._clock.now() + _RETRY_AFTER, due)
        finally:
            self._slots.release()

    def _push(self, at: datetime, due: DueHold) -> None:
        heapq.heappush(self._heap, (at, due.appointment_id, due))
        if self._heap[0][2] is due:
            self._sooner.set()

    def _until_next_s(self) -> float | None:
        if not self._heap:
            return None
        return (self._heap[0][0] - self._clock.now()).total_seconds()
