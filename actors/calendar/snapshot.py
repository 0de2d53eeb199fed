"""What readers see of a calendar: published after each commit, immutable, never queueing."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from actors.domain.appointment import AppointmentType
from actors.domain.calendar import Calendar
from actors.domain.ids import PatientId
from actors.domain.position import Position
from actors.domain.slots import Minute, minute_up

_ANSWERS_MAX = 256
"""Free slots remembered per state of a calendar."""

_Question = tuple[AppointmentType, Minute, Minute, PatientId | None]


@dataclass(frozen=True, slots=True)
class _Answer:
    starts: Sequence[Minute]
    minute: Minute
    """Notice, horizon and emergency blocks move with the minute."""
    expiry: datetime | None
    """When the next hold runs out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    calendar: Calendar
    position: Position
    """Where ``availability:dentist:{id}`` stands with exactly this state."""
    _answers: OrderedDict[_Question, _Answer] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
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
        """Bookable starts in ``[first, before)``; one's own holds count as free.

        While neither the calendar nor the minute changes and no hold runs out, the same
        question is answered from memory.
        """
        minute = minute_up(now)
        question = kind, first, before, patient_id
        known = self._answers.get(question)
        if known and known.minute == minute and (known.expiry is None or now < known.expiry):
            return known.starts
        starts = self.calendar.free(
            kind, first=first, before=before, now=now, patient_id=patient_id
        )
        expiry = self.calendar.agenda.next_expiry(now)
        self._answers[question] = _Answer(tuple(starts), minute, expiry)
        if len(self._answers) > _ANSWERS_MAX:
            self._answers.popitem(last=False)
        return starts
