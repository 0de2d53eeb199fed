"""Queues reminders when they are due."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from actors.domain.appointment import AppointmentType
from actors.domain.ids import AppointmentTypeId
from actors.domain.notices import reminder_delay
from actors.ports.messages import ReminderQueue

LoadTypes = Callable[[], Awaitable[Sequence[AppointmentType]]]
"""All appointment types. Raises a CommitFailure."""
_EVERY: Final = timedelta(seconds=20)
_OVERLAP: Final = timedelta(minutes=2)
"""Looked at again each time: clocks of nodes differ, and a commit may be late."""


class Reminders:
    """Remembers up to when the visits were looked at; at first, all that may be late are."""

    def __init__(
        self,
        queue: ReminderQueue,
        load_types: LoadTypes,
        leads: Sequence[timedelta],
        asks_at: Callable[[timedelta], bool] = lambda _: False,
    ) -> None:
        """``leads``: of types that have none of their own. ``asks_at``: whether the reminder with
        a lead asks patients to confirm the visit."""
        self._queue, self._load_types, self._leads = queue, load_types, leads
        self._asks_at = asks_at
        self._seen: datetime | None = None

    def forget(self) -> None:
        """Another node queues them; later this one begins from scratch."""
        self._seen = None

    async def queue_due(self, now: datetime) -> bool:
        """Whether reminders were queued; looks only every 20 seconds. Raises a CommitFailure."""
        if self._seen is not None and timedelta(0) <= now - self._seen < _EVERY:
            return False
        queued = 0
        for lead, types in (await self._types_by_lead()).items():
            since = now - reminder_delay(lead)
            if self._seen is not None:
                since = max(since, self._seen - _OVERLAP)
            asks = self._asks_at(lead)
            queued += await self._queue.remind(lead, types, since, now, asks=asks)
        self._seen = now
        return queued > 0

    async def _types_by_lead(self) -> Mapping[timedelta, Sequence[AppointmentTypeId]]:
        found = defaultdict(list)
        for kind in await self._load_types():
            own = kind.reminder_hours
            leads = self._leads if own is None else [timedelta(hours=hours) for hours in own]
            for lead in leads:
                found[lead].append(kind.id)
        return found
