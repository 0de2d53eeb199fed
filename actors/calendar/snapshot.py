"""Snapshots: what readers see of a calendar, without going through its mailbox."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from cachetools import FIFOCache

from actors.domain.appointment import AppointmentType
from actors.domain.calendar import Calendar
from actors.domain.ids import PatientId
from actors.domain.position import Position
from actors.domain.slots import Minute, minute_up

_CACHED_MAX: Final = 256
"""Results of :meth:`Snapshot.free` that are kept for one snapshot."""

_FreeQuery = tuple[AppointmentType, Minute, Minute, PatientId | None]


@dataclass(frozen=True, slots=True)
class _FreeStarts:
    """A cached result. It is valid within its minute, and until the next hold expires.

    Notice, horizon and emergency blocks move with the minute.
    """

    starts: Sequence[Minute]
    minute: Minute
    valid_until: datetime | None
    """When the next hold expires; ``None`` if there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The immutable state of a calendar after a commit."""

    calendar: Calendar
    position: Position
    """The position of ``availability:dentist:{id}`` that belongs to exactly this state."""
    _cached: FIFOCache[_FreeQuery, _FreeStarts] = field(
        default_factory=partial(FIFOCache, _CACHED_MAX), init=False, repr=False, compare=False
    )

    def free(
        self,
        kind: AppointmentType,
        *,
        first: Minute,
        before: Minute,
        now: datetime,
        patient_id: PatientId | None,
    ) -> Sequence[Minute]:
        """The bookable starts in ``[first, before)``; the patient's own holds count as free.

        Results are cached within a minute while no hold expires.
        """
        minute = minute_up(now)
        query = kind, first, before, patient_id
        cached = self._cached.get(query)
        if (
            cached
            and cached.minute == minute
            and (cached.valid_until is None or now < cached.valid_until)
        ):
            return cached.starts
        starts = self.calendar.free(
            kind, first=first, before=before, now=now, patient_id=patient_id
        )
        expiry = self.calendar.agenda.next_expiry(now)
        self._cached[query] = _FreeStarts(tuple(starts), minute, expiry)
        return starts
