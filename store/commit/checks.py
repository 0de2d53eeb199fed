"""Checks across calendars: what a patient has at other dentists, which no actor can know.

Turns are checked in *waves*: consecutive turns of which no two concern the same patient, so
that the checks of a wave cannot depend on rows that the same wave writes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from actors.domain.appointment import ATTENDING, LONGEST, Appointment, Status
from actors.domain.events import RowEvent, SlotHeld
from actors.domain.ids import AppointmentId, PatientId
from actors.domain.refusals import (
    PatientConflict,
    Refusal,
    TooManyAppointments,
    TooManyReservations,
)
from actors.ports.commits import CalendarCommit, Turn, TurnRefused
from store.sql.codec import APPOINTMENT
from store.sql.prepared import Plan, Step
from store.sql.write_statements import WriteStatements

_NO_END: Final = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class IndexedTurn:
    """A turn, its commit, and its index among all turns."""

    index: int
    turn: Turn
    commit: CalendarCommit

    @property
    def row_events(self) -> tuple[RowEvent, ...]:
        return tuple(event for event in self.turn.events if isinstance(event, RowEvent))

    @property
    def patients(self) -> frozenset[PatientId]:
        return frozenset(event.after.patient_id for event in self.row_events)

    @property
    def final_rows(self) -> dict[AppointmentId, Appointment]:
        return {event.after.id: event.after for event in self.row_events}


def waves(commits: Iterable[CalendarCommit]) -> Iterator[list[IndexedTurn]]:
    wave: list[IndexedTurn] = []
    seen: set[PatientId] = set()
    turns = ((commit, turn) for commit in commits for turn in commit.turns)
    for index, (commit, turn) in enumerate(turns):
        indexed = IndexedTurn(index, turn, commit)
        if not seen.isdisjoint(indexed.patients):
            yield wave
            wave, seen = [], set()
        wave.append(indexed)
        seen |= indexed.patients
    if wave:
        yield wave


def check_patients(wave: Sequence[IndexedTurn], sql: WriteStatements) -> Plan[None]:
    """Raises TurnRefused for the first turn that conflicts; one statement for the wave."""
    placed = [
        _Placed(indexed, event)
        for indexed in wave
        for event in indexed.row_events
        if _places(event)
    ]
    if not placed:
        return
    found = yield Step(sql.live_rows_of, [each.query for each in placed])
    others: dict[PatientId, dict[AppointmentId, Appointment]] = {}
    for row in map(APPOINTMENT.read, found):
        others.setdefault(row.patient_id, {})[row.id] = row
    for each in placed:
        if refusal := each.refusal(others.get(each.row.patient_id, {})):
            raise TurnRefused(each.indexed.index, refusal)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row that takes time of its patient which it did not take before."""

    indexed: IndexedTurn
    event: RowEvent

    @property
    def row(self) -> Appointment:
        return self.event.after

    @property
    def counts(self) -> bool:
        """Whether it is one more that a limit on the patient's rows counts; staff are exempt."""
        before = self.event.before
        is_new = before is None or before.status not in ATTENDING
        return is_new and not self.indexed.turn.by.is_staff

    @property
    def query(self) -> Mapping[str, object]:
        """The starts of rows that matter: those that may overlap and, if it counts, all ahead."""
        first, before = self.row.start, self.row.end
        if self.counts and (self.row.status is Status.HELD or self.indexed.commit.future_limit):
            first, before = min(first, self.indexed.turn.at), _NO_END
        return {"patient": self.row.patient_id, "after": first - LONGEST, "before": before}

    def refusal(self, live: Mapping[AppointmentId, Appointment]) -> Refusal | None:
        """Why the patient cannot have the row, beside their other ``live`` rows."""
        row, final = self.row, self.indexed.final_rows
        others = [each for each in live.values() if each.id not in final]
        if row.status in ATTENDING and any(
            each.status in ATTENDING and each.start < row.end and row.start < each.end
            for each in others
        ):
            return PatientConflict()
        if not self.counts:
            return None
        after = [*others, *(each for each in final.values() if each.patient_id == row.patient_id)]
        at, commit = self.indexed.turn.at, self.indexed.commit
        holds = sum(each.status is Status.HELD and not each.is_overdue(at) for each in after)
        if row.status is Status.HELD and holds > commit.hold_limit:
            return TooManyReservations(commit.hold_limit)
        booked = sum(each.status in ATTENDING and each.start > at for each in after)
        if commit.future_limit and holds + booked > commit.future_limit:
            return TooManyAppointments(commit.future_limit)
        return None


def _places(event: RowEvent) -> bool:
    before, after = event.before, event.after
    if isinstance(event, SlotHeld):
        return True
    return after.status in ATTENDING and (
        before is None
        or before.status not in ATTENDING
        or (before.start, before.end) != (after.start, after.end)
    )
