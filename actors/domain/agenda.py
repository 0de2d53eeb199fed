"""The live rows of one calendar in the order of their starts: immutable, cheap to change.

Changing an agenda copies lists of pointers; asking for the neighbourhood of a time is a
bisection. Both the deciding actor and the readers of its snapshots ask it the same way.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from actors.domain.appointment import MAX_MINUTES, Appointment, Status
from actors.domain.ids import AppointmentId, PatientId
from actors.domain.slots import Minute, Taken, to_minute

_REACH: Minute = 2 * MAX_MINUTES
"""No row that starts earlier than this before a time can still touch it, buffer included."""


class _Entry(NamedTuple):
    """Sorted by start, then id: both are unique together."""

    start: Minute
    id: AppointmentId
    row: Appointment
    taken: Taken


def _entry(row: Appointment) -> _Entry:
    start, end = to_minute(row.start), to_minute(row.end)
    taken = Taken(start, end, row.buffer_before_minutes, row.buffer_after_minutes)
    return _Entry(start, row.id, row, taken)


class Agenda:
    __slots__ = ("_by_id", "_entries", "hold_count")

    def __init__(self, rows: Iterable[Appointment] = ()) -> None:
        self._entries: Sequence[_Entry] = sorted(_entry(row) for row in rows if row.blocked)
        self._by_id = {entry.id: entry.row for entry in self._entries}
        self.hold_count = sum(1 for row in self if row.status is Status.HELD)
        """Rows that are held, overdue ones included."""

    def __iter__(self) -> Iterator[Appointment]:
        return (entry.row for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, appointment_id: AppointmentId) -> Appointment | None:
        return self._by_id.get(appointment_id)

    def changed(self, before: Appointment | None, after: Appointment) -> "Agenda":
        """The agenda with ``after`` in place of ``before``, or without it if not live."""
        entries, by_id = list(self._entries), dict(self._by_id)
        if before is not None and before.id in by_id:
            del by_id[before.id]
            del entries[bisect_left(entries, (to_minute(before.start), before.id))]
        if after.blocked:
            entry = _entry(after)
            entries.insert(bisect_left(entries, (entry.start, entry.id)), entry)
            by_id[after.id] = after
        was_held = before is not None and before.status is Status.HELD
        holds = self.hold_count - was_held + (after.status is Status.HELD)
        return self._of(entries, by_id, holds)

    def since(self, instant: datetime) -> "Agenda":
        """Without the rows that ended before ``instant``."""
        kept = [entry for entry in self._entries if entry.row.end >= instant]
        if len(kept) == len(self._entries):
            return self
        holds = sum(1 for entry in kept if entry.row.status is Status.HELD)
        return self._of(kept, {entry.id: entry.row for entry in kept}, holds)

    def next_expiry(self, now: datetime) -> datetime | None:
        """When the next of the live holds runs out."""
        if not self.hold_count:
            return None
        ends = (row.expires_at for row in self if row.status is Status.HELD and row.expires_at)
        return min((end for end in ends if end > now), default=None)

    def near(self, start: Minute, end: Minute) -> Iterator[Appointment]:
        """Every row that could touch ``[start, end)``, buffers included, and some more."""
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
        """What blocks time around ``[start, end)`` at ``now``, sorted by start.

        Overdue holds do not block, nor do live holds of ``free_for``: their own.
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
        first = bisect_left(self._entries, (start - _REACH,))
        last = bisect_left(self._entries, (end + MAX_MINUTES,))
        return self._entries[first:last]

    @classmethod
    def _of(
        cls, entries: list[_Entry], by_id: dict[AppointmentId, Appointment], hold_count: int
    ) -> "Agenda":
        agenda = cls.__new__(cls)
        agenda._entries, agenda._by_id, agenda.hold_count = entries, by_id, hold_count
        return agenda
