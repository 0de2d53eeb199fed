"""Checks across calendars: what a patient has at other dentists, which no actor can know.

The rows of all patients are read once, after their channels were locked. Each turn is then
checked against these rows and the rows of the turns before it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from actors.domain.appointment import ATTENDING, LIVE, LONGEST, Appointment, Status
from actors.domain.events import RowEvent, SlotHeld
from actors.domain.ids import AppointmentId, PatientId
from actors.domain.principal import Role
from actors.domain.refusals import (
    NotFound,
    PatientConflict,
    Refusal,
    TooManyAppointments,
    TooManyReservations,
)
from actors.ports.commits import CalendarCommit, Turn, TurnRefused
from store.sql.codec import LIVE_ROW, LiveRow
from store.sql.prepared import Params, Rows, Step
from store.sql.write_statements import WriteStatements

_NO_END: Final = datetime(9999, 12, 31, tzinfo=UTC)

_Live = dict[AppointmentId, Appointment | LiveRow]
"""The live rows of one patient."""


def read_live_rows(commits: Sequence[CalendarCommit], sql: WriteStatements) -> Step:
    """Reads the rows that :func:`check_patients` needs."""
    placed = [
        _Placed(commit, turn, event)
        for commit in commits
        for turn in commit.turns
        for event in _row_events(turn)
        if _places(event)
    ]
    return Step(sql.live_rows_of, [each.query for each in placed])


def refuse_merged(turns: Sequence[Turn], names: Rows) -> None:
    """Raises TurnRefused for the first turn of a patient who was merged into another one.

    Their channels are locked, so a merge is seen here or moves the rows of this commit. The
    names of all patients of rows were read, because they are in the bodies.
    """
    for person, _, survivor in names:
        if survivor is not None:
            _refuse_rows_of(person, turns)


def _refuse_rows_of(merged: PatientId, turns: Sequence[Turn]) -> None:
    for index, turn in enumerate(turns):
        if any(event.after.patient_id == merged for event in _row_events(turn)):
            raise TurnRefused(index, NotFound(Role.PATIENT))


def check_patients(commits: Sequence[CalendarCommit], found: Rows) -> None:
    """Raises TurnRefused for the first turn that conflicts."""
    live: defaultdict[PatientId, _Live] = defaultdict(dict)
    for row in map(LIVE_ROW.read, found):
        live[row.patient_id][row.id] = row
    turns = ((commit, turn) for commit in commits for turn in commit.turns)
    for index, (commit, turn) in enumerate(turns):
        final = {event.after.id: event.after for event in _row_events(turn)}
        for row_id, after in final.items():
            if after.status in LIVE:
                live[after.patient_id][row_id] = after
            else:
                live[after.patient_id].pop(row_id, None)
        for event in filter(_places, _row_events(turn)):
            placed = _Placed(commit, turn, event)
            if refusal := placed.refusal(live[event.after.patient_id], final):
                raise TurnRefused(index, refusal)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row that takes time of its patient which it did not take before."""

    commit: CalendarCommit
    turn: Turn
    event: RowEvent

    @property
    def counts(self) -> bool:
        """Whether it is one more that a limit on the patient's rows counts; staff are exempt."""
        before = self.event.before
        is_new = before is None or before.status not in ATTENDING
        is_limited = self.event.after.status is Status.HELD or bool(self.commit.future_limit)
        return is_new and is_limited and not self.turn.by.works_at_practice

    @property
    def query(self) -> Params:
        """Which rows matter: those that overlap and, if it counts, all that are ahead."""
        row = self.event.after
        first, before, ends_after = row.start, row.end, row.start
        if self.counts:
            first, before = min(first, self.turn.at), _NO_END
            ends_after = first - LONGEST
        return {
            "patient": row.patient_id,
            "after": first - LONGEST,
            "before": before,
            "ends_after": ends_after,
        }

    def refusal(self, live: _Live, final: Mapping[AppointmentId, Appointment]) -> Refusal | None:
        """Why the patient cannot have the row; ``final`` are the rows of the turn itself."""
        row = self.event.after
        if row.status in ATTENDING and any(
            other.status in ATTENDING
            and other.start < row.end
            and row.start < other.end
            and other.id not in final
            for other in live.values()
        ):
            return PatientConflict()
        if not self.counts:
            return None
        at, commit = self.turn.at, self.commit
        holds = sum(_is_held(each, at) for each in live.values())
        if row.status is Status.HELD and holds > commit.hold_limit:
            return TooManyReservations(commit.hold_limit)
        booked = sum(each.status in ATTENDING and each.start > at for each in live.values())
        if commit.future_limit and holds + booked > commit.future_limit:
            return TooManyAppointments(commit.future_limit)
        return None


def _row_events(turn: Turn) -> Iterator[RowEvent]:
    return (event for event in turn.events if isinstance(event, RowEvent))


def _places(event: RowEvent) -> bool:
    before, after = event.before, event.after
    if isinstance(event, SlotHeld):
        return True
    return after.status in ATTENDING and (
        before is None
        or before.status not in ATTENDING
        or (before.start, before.end) != (after.start, after.end)
    )


def _is_held(row: Appointment | LiveRow, at: datetime) -> bool:
    return row.status == Status.HELD and row.expires_at is not None and row.expires_at > at
