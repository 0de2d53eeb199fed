"""The live appointments of one calendar, sorted by start.

An agenda is immutable. A change copies the rows of one day and the list of days, so that it
costs the same in a full calendar as in an empty one. Rows near a time are found by bisection.
The actor that decides and the readers of its snapshots use the same agenda.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final, NamedTuple

from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentId, PatientId
from actors.domain.schedule import MINUTES_PER_DAY
from actors.domain.slots import Minute, Taken, minute_up, to_minute

_GROUPS: Final = 16
"""Rows are found by id in so many groups, so that a change copies one of them."""
_NONE: Final[Mapping[AppointmentId, Appointment]] = {}


class _Entry(NamedTuple):
    """A row with its times in minutes; sorted by start, then id."""

    start: Minute
    id: AppointmentId
    row: Appointment
    taken: Taken


class _Day(NamedTuple):
    """The rows that start on one day of UTC."""

    number: int
    """Days since the Unix epoch."""
    entries: Sequence[_Entry]


def _entry(row: Appointment) -> _Entry:
    start, end = to_minute(row.start), to_minute(row.end)
    taken = Taken(start, end, row.buffer_before_minutes, row.buffer_after_minutes)
    return _Entry(start, row.id, row, taken)


def _day_of(minute: Minute) -> int:
    return minute // MINUTES_PER_DAY


class Agenda:
    """The rows of a calendar that block time (:data:`actors.domain.appointment.LIVE`)."""

    __slots__ = ("_by_id", "_days", "_reach_after", "_reach_before", "hold_count")

    def __init__(self, rows: Iterable[Appointment] = ()) -> None:
        entries = sorted(_entry(row) for row in rows if row.is_live)
        by_day = groupby(entries, key=lambda entry: _day_of(entry.start))
        self._days: Sequence[_Day] = [_Day(number, list(group)) for number, group in by_day]
        groups: dict[int, dict[AppointmentId, Appointment]] = {}
        for entry in entries:
            groups.setdefault(_group_of(entry.id), {})[entry.id] = entry.row
        self._by_id: Mapping[int, Mapping[AppointmentId, Appointment]] = groups
        self.hold_count = sum(entry.row.status is Status.HELD for entry in entries)
        """The number of held rows, overdue holds included."""
        self._reach_before = max((e.taken.buffer_before for e in entries), default=0)
        """At least the longest time before its start that a row blocks by its buffer."""
        self._reach_after = max((_blocked_after_start(e.taken) for e in entries), default=0)
        """At least the longest time after its start that a row blocks, buffer included."""

    def __iter__(self) -> Iterator[Appointment]:
        return (entry.row for day in self._days for entry in day.entries)

    def get(self, appointment_id: AppointmentId) -> Appointment | None:
        return self._by_id.get(_group_of(appointment_id), _NONE).get(appointment_id)

    def changed(self, before: Appointment | None, after: Appointment) -> "Agenda":
        """The agenda with ``after`` instead of ``before``; without it if it is not live."""
        days, at = list(self._days), _group_of(after.id)
        group = dict(self._by_id.get(at, _NONE))
        holds, reach_before, reach_after = self.hold_count, self._reach_before, self._reach_after
        if before is not None and before.id in group:
            present = group.pop(before.id)
            _remove(days, to_minute(present.start), present.id)
            holds -= present.status is Status.HELD
        if after.is_live:
            entry = _entry(after)
            _insert(days, entry)
            group[after.id] = after
            holds += after.status is Status.HELD
            reach_before = max(reach_before, entry.taken.buffer_before)
            reach_after = max(reach_after, _blocked_after_start(entry.taken))
        agenda = Agenda.__new__(Agenda)
        agenda._days, agenda.hold_count = days, holds
        agenda._by_id = {**self._by_id, at: group}
        agenda._reach_before, agenda._reach_after = reach_before, reach_after
        return agenda

    def since(self, instant: datetime) -> "Agenda":
        """The agenda without the rows that ended before ``instant``."""
        begun = self._between(0, minute_up(instant))
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
        return self._between(start - self._reach_after + 1, end + self._reach_before)

    def _between(self, first: Minute, before: Minute) -> Sequence[_Entry]:
        """The rows that start in ``[first, before)``."""
        days = self._days
        found: list[_Entry] = []
        for at in range(bisect_left(days, (_day_of(first),)), len(days)):
            entries = days[at].entries
            if entries[0].start >= before:
                break
            found += entries[bisect_left(entries, (first,)) : bisect_left(entries, (before,))]
        return found


def _insert(days: list[_Day], entry: _Entry) -> None:
    number = _day_of(entry.start)
    at = bisect_left(days, (number,))
    if at == len(days) or days[at].number != number:
        days.insert(at, _Day(number, [entry]))
        return
    entries = list(days[at].entries)
    entries.insert(bisect_left(entries, (entry.start, entry.id)), entry)
    days[at] = _Day(number, entries)


def _remove(days: list[_Day], start: Minute, appointment_id: AppointmentId) -> None:
    at = bisect_left(days, (_day_of(start),))
    entries = list(days[at].entries)
    del entries[bisect_left(entries, (start, appointment_id))]
    days[at : at + 1] = [_Day(days[at].number, entries)] if entries else []


def _group_of(appointment_id: AppointmentId) -> int:
    return hash(appointment_id) % _GROUPS


def _blocked_after_start(taken: Taken) -> int:
    return taken.end - taken.start + taken.buffer_after
