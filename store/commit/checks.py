"""Checks across calendars: what a patient has at other dentists, which no actor can know.

Turns are checked in *waves*: consecutive turns of which no two concern the same patient, so
that the checks of a wave cannot depend on rows that the same wave writes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from actors.domain.appointment import ATTENDING, Appointment
from actors.domain.events import RowEvent, SlotHeld
from actors.domain.ids import AppointmentId, PatientId
from actors.domain.refusals import PatientConflict, Refusal, TooManyReservations
from actors.ports.commits import CalendarCommit, Turn, TurnRefused
from store.sql.prepared import Plan, Step
from store.sql.write_statements import WriteStatements


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
    """Raises TurnRefused for the first turn that conflicts."""
    refused: dict[int, Refusal] = {}
    refused |= yield from _too_many_holds(wave, sql)
    refused |= yield from _conflicts(wave, sql)
    if refused:
        first = min(refused)
        raise TurnRefused(first, refused[first])


def _conflicts(wave: Sequence[IndexedTurn], sql: WriteStatements) -> Plan[dict[int, Refusal]]:
    """A patient cannot have two appointments at once, at any dentists."""
    moves = [
        (indexed, event.after)
        for indexed in wave
        for event in indexed.row_events
        if _attends(event)
    ]
    if not moves:
        return {}
    found = yield Step(
        sql.attending_overlaps,
        [{"patient": row.patient_id, "start": row.start, "end": row.end} for _, row in moves],
    )
    return {
        indexed.index: PatientConflict()
        for indexed, row in moves
        for patient_id, row_id, start, end in found
        if patient_id == row.patient_id
        and row_id not in indexed.final_rows
        and start < row.end
        and row.start < end
    }


def _attends(event: RowEvent) -> bool:
    """Whether the event takes time of the patient that was not taken before."""
    before, after = event.before, event.after
    return after.status in ATTENDING and (
        before is None
        or before.status not in ATTENDING
        or (before.start, before.end) != (after.start, after.end)
    )


def _too_many_holds(wave: Sequence[IndexedTurn], sql: WriteStatements) -> Plan[dict[int, Refusal]]:
    """Counts the live holds at all dentists; those of the turn itself as the turn leaves them."""
    new = [
        (indexed, event.after.patient_id)
        for indexed in wave
        for event in indexed.row_events
        if isinstance(event, SlotHeld)
    ]
    if not new:
        return {}
    found = yield Step(
        sql.live_holds_of,
        [{"patient": patient_id, "at": indexed.turn.at} for indexed, patient_id in new],
    )
    held = {(patient_id, row_id) for patient_id, row_id in found}
    return {
        indexed.index: TooManyReservations(indexed.commit.hold_limit)
        for indexed, patient_id in new
        if sum(owner == patient_id and row_id not in indexed.final_rows for owner, row_id in held)
        + sum(other == (indexed, patient_id) for other in new)
        > indexed.commit.hold_limit
    }
