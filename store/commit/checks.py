"""What one calendar cannot know (DESIGN §4.3): the patient's rows at other dentists.

Turns are looked at in *waves*: consecutive turns of which no two concern the same
patient, so that what a wave reads cannot depend on what the wave will write.
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
class Place:
    """A turn, the commit it belongs to, and where it stands among all turns."""

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


def waves(commits: Iterable[CalendarCommit]) -> Iterator[list[Place]]:
    wave: list[Place] = []
    seen: set[PatientId] = set()
    turns = ((commit, turn) for commit in commits for turn in commit.turns)
    for index, (commit, turn) in enumerate(turns):
        place = Place(index, turn, commit)
        if not seen.isdisjoint(place.patients):
            yield wave
            wave, seen = [], set()
        wave.append(place)
        seen |= place.patients
    if wave:
        yield wave


def check_patients(wave: Sequence[Place], sql: WriteStatements) -> Plan[None]:
    """Raises :class:`TurnRefused` for the first turn that conflicts."""
    refused: dict[int, Refusal] = {}
    refused |= yield from _too_many_holds(wave, sql)
    refused |= yield from _conflicts(wave, sql)
    if refused:
        first = min(refused)
        raise TurnRefused(first, refused[first])


def _conflicts(wave: Sequence[Place], sql: WriteStatements) -> Plan[dict[int, Refusal]]:
    """A patient cannot attend at two places at once, whichever the dentists."""
    moves = [
        (place, event.after) for place in wave for event in place.row_events if _attends(event)
    ]
    if not moves:
        return {}
    found = yield Step(
        sql.attending_overlaps,
        [{"patient": row.patient_id, "start": row.start, "end": row.end} for _, row in moves],
    )
    return {
        place.index: PatientConflict()
        for place, row in moves
        for patient_id, row_id, start, end in found
        if patient_id == row.patient_id
        and row_id not in place.final_rows
        and start < row.end
        and row.start < end
    }


def _attends(event: RowEvent) -> bool:
    """Whether the row begins to claim its patient's time, or claims another."""
    before, after = event.before, event.after
    return after.status in ATTENDING and (
        before is None
        or before.status not in ATTENDING
        or (before.start, before.end) != (after.start, after.end)
    )


def _too_many_holds(wave: Sequence[Place], sql: WriteStatements) -> Plan[dict[int, Refusal]]:
    """Live holds at all dentists, those of the turn itself counted as it leaves them."""
    new = [
        (place, event.after.patient_id)
        for place in wave
        for event in place.row_events
        if isinstance(event, SlotHeld)
    ]
    if not new:
        return {}
    found = yield Step(
        sql.live_holds_of,
        [{"patient": patient_id, "at": place.turn.at} for place, patient_id in new],
    )
    held = {(patient_id, row_id) for patient_id, row_id in found}
    return {
        place.index: TooManyReservations(place.commit.hold_limit)
        for place, patient_id in new
        if sum(owner == patient_id and row_id not in place.final_rows for owner, row_id in held)
        + sum(other == (place, patient_id) for other in new)
        > place.commit.hold_limit
    }
