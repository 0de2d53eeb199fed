"""Snapshots: what readers see of a calendar, without going through its mailbox."""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from typing import Final

from actors.domain.appointment import AppointmentType
from actors.domain.calendar import Calendar
from actors.domain.ids import PatientId
from actors.domain.position import Position
from actors.domain.schedule import StaffTerms
from actors.domain.slots import Minute, minute_up
from actors.domain.values import value

_CACHED_MAX: Final = 256
"""Results of :meth:`Snapshot.free` that are kept for one snapshot."""

_FreeQuery = tuple[AppointmentType, Minute, Minute, PatientId | None, Minute, StaffTerms | None]
_FreeStarts = tuple[Sequence[Minute], datetime | None]
"""The starts, and when the next hold expires; ``None`` if there is none."""


@value
class Snapshot:
    """The immutable state of a calendar after a commit."""

    calendar: Calendar
    position: Position
    """The position of ``availability:dentist:{id}`` that belongs to exactly this state."""
    _cached: dict[_FreeQuery, _FreeStarts] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def free(
        self,
        kind: AppointmentType,
        *,
        first: Minute,
        before: Minute,
        now: datetime,
        patient_id: PatientId | None,
        terms: StaffTerms | None = None,
    ) -> Sequence[Minute]:
        """See :meth:`Calendar.free`; cached within a minute while no hold expires.

        Notice, horizon and emergency blocks move with the minute.
        """
        query = kind, first, before, patient_id, minute_up(now), terms
        starts, expiry = self._cached.get(query, (None, None))
        if starts is None or (expiry is not None and now >= expiry):
            starts = tuple(
                self.calendar.free(
                    kind, first=first, before=before, now=now, patient_id=patient_id, terms=terms
                )
            )
            if len(self._cached) >= _CACHED_MAX:
                self._cached.clear()
            self._cached[query] = starts, self.calendar.agenda.next_expiry(now)
        return starts
