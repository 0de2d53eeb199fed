"""Queues reminders when they are due."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from actors.domain.notices import reminder_delay
from actors.ports.messages import ReminderQueue

_EVERY: Final = timedelta(seconds=20)
_OVERLAP: Final = timedelta(minutes=2)
"""Looked at again each time: clocks of nodes differ, and a commit may be late."""


class Reminders:
    """Remembers up to when the visits were looked at; at first, all that may be late are."""

    def __init__(self, queue: ReminderQueue, leads: Sequence[timedelta]) -> None:
        self._queue, self._leads = queue, leads
        self._seen: datetime | None = None

    def forget(self) -> None:
        """Another node queues them; later this one begins from scratch."""
        self._seen = None

    async def queue_due(self, now: datetime) -> bool:
        """Whether reminders were queued; looks only every 20 seconds. Raises a CommitFailure."""
        if self._seen is not None and timedelta(0) <= now - self._seen < _EVERY:
            return False
        queued = 0
        for lead in self._leads:
            since = now - reminder_delay(lead)
            if self._seen is not None:
                since = max(since, self._seen - _OVERLAP)
            queued += await self._queue.remind(lead, since, now)
        self._seen = now
        return queued > 0
