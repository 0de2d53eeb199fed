"""The live appointments of one calendar, sorted by start.

An agenda is immutable. A change copies two lists of references, and the rows near a time are
found by bisection. The actor that decides and the readers of its snapshots use the same one.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentId, PatientId
from actors.domain.slots import Minute, Taken, minute_up, to_minute


class _Entry(NamedTuple):
    """A row with its times in minutes; sorted by start, then id."""

    start: Minute
    id: AppointmentId
    row: Appointment
    taken: Taken


def _entry(row: Appointment) -> _Entry:
    start, end = to_minute(row.start), to_minute(row.end)
    taken = Taken(start, end, row.buffer_before_minutes, row.buffer_after_minutes)
    return _Entry(start, row.id, row, taken)


class Agenda:
    """The rows of a calendar that block time (:data:`actors.domain.appointment.LIVE`)."""

    __slots__ = ("_by_id", "_entries", "_reach_after", "_reach_before", "hold_count")

    def __init__(self, rows: Iterable[Appointment] = ()) -> None:
        self._entries: Sequence[_Entry] = sorted(_entry(row) for row in rows if row.blocked)
        self._by_id = {entry.id: entry.row for entry in self._entries}
        self.hold_count = sum(1 for row in self if row.status is Status.HELD)
        """The number of held rows, overdue holds included."""
        self._reach_before = max((e.taken.buffer_before for e in self._entries), default=0)
        """At least the longest time before its start that a row blocks by its buffer."""
        self._reach_after = max((_blocked_after_start(e.taken) for e in self._entries), default=0)
        """At least the longest time after its start that a row blocks, buffer included."""

    def __iter__(self) -> Iterator[Appointment]:
        return (entry.row for entry in self._entries)

    def get(self, appointment_id: AppointmentId) -> Appointment | None:
        return self._by_id.get(appointment_id)

    def changed(self, before: Appointment | None, after: Appointment) -> "Agenda":
        """The agenda with ``after`` instead of ``before``; without it if it is not live."""
        entries, by_id = list(self._entries), dict(self._by_id)
        reach_before, reach_after = self._reach_before, self._reach_after
        if before is not None and before.id in by_id:
            del by_id[before.id]
            del entries[bisect_left(entries, (to_minute(before.start), before.id))]
        if after.blocked:
            entry = _entry(after)
            entries.insert(bisect_left(entries, (entry.start, entry.id)), entry)
            by_id[after.id] = after
            reach_before = max(reach_before, entry.taken.buffer_before)
            reach_after = max(reach_after, _blocked_after_start(entry.taken))
        was_held = before is not None and before.status is Status.HELD
        holds = self.hold_count - was_held + (after.status is Status.HELD)
        agenda = Agenda.__new__(Agenda)
        agenda._entries, agenda._by_id, agenda.hold_count = entries, by_id, holds
        agenda._reach_before, agenda._reach_after = reach_before, reach_after
        return agenda

    def since(self, instant: datetime) -> "Agenda":
        """The agenda without the rows that ended before ``instant``."""
        begun = self._entries[: bisect_left(self._entries, (minute_up(instant),))]
        if all(entry.row.end >= instant for entry in begun):
            return self
        return Agenda(row for row in self if row.end >= instant)

    def next_expiry(self, now: datetime) -> datetime | None:
        """When the next hold that is not overdue expires; ``None`` if there is none."""
        if not self.hold_count:
            return None
        ends = (row.expires_at for row in self if row.status is Status.HELD and row.expires_at)
        return min((end for end in ends if end > now), default=None)

    def near(self, start: Minute, end: Minute) -> Iterator[Appointment]:
        """At least every row that blocks part of ``[start, end)``, its buffers included."""
        return (entry.row for entry in self._near(start, end))

    def taken(
        self,
        start: Minute,
        end: Minute,
        now: datetime,
        *,
        free_for: PatientId | None = None,
        ignoring: AppointmentId | None = None,
    ) -> list[Taken]:
        """The times blocked around ``[start, end)`` at ``now``, sorted by start; see ``near``.

        Overdue holds block nothing, nor do the holds of the patient ``free_for``.
        """
        return [
            entry.taken
            for entry in self._near(start, end)
            if entry.id != ignoring
            and (
                entry.row.status is not Status.HELD
                or not (entry.row.is_overdue(now) or entry.row.patient_id == free_for)
            )
        ]

    def _near(self, start: Minute, end: Minute) -> Sequence[_Entry]:
        first = bisect_left(self._entries, (start - self._reach_after + 1,))
        last = bisect_left(self._entries, (end + self._reach_before,), first)
        return self._entries[first:last]


def _blocked_after_start(taken: Taken) -> int:
    return taken.end - taken.start + taken.buffer_after
