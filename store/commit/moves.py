"""Moves of appointments between calendars: what a commit does to the other calendar.

The commit is that of the calendar to which an appointment comes. It holds the locks of both
calendars, so that the row changes in neither of them meanwhile, and raises the fence of the one
that it leaves: an actor that decided on the row there cannot commit any more, and loads its
calendar again. A commit without moves pays nothing for this.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from actors.domain.events import AppointmentMoved
from actors.domain.ids import DentistId
from actors.domain.refusals import NotFound, VersionConflict
from actors.ports.commits import CalendarCommit, Fenced, Turn, TurnRefused
from store.commit.audit import left_rows
from store.sql.prepared import Params, Plan, Step
from store.sql.write_statements import WriteStatements


class PlannedMove(NamedTuple):
    """A move among the turns of a transaction."""

    number: int
    """Of the turn."""
    turn: Turn
    event: AppointmentMoved

    @property
    def left(self) -> DentistId:
        """The calendar that the appointment leaves."""
        assert self.event.before is not None, "a moved row was there before"
        return self.event.before.dentist_id


def moves_in(turns: Sequence[Turn]) -> list[PlannedMove]:
    # Every booking pays for this: isinstance and a comprehension would be calls of functions.
    moves = []
    for number, turn in enumerate(turns):
        for event in turn.events:
            if event.__class__ is AppointmentMoved:
                moves.append(PlannedMove(number, turn, event))  # noqa: PERF401  # see above
    return moves


def declared_by(commit: CalendarCommit) -> Iterator[str]:
    """Whose records the moves of the commit write, other than those of its own calendar."""
    for move in moves_in(commit.turns):
        yield move.left
        if practices := move.event.practices:
            yield from (*practices, move.event.after.patient_id)


def left_calendars(
    moves: Sequence[PlannedMove], commits: Sequence[CalendarCommit]
) -> Iterator[Params]:
    """The calendars to lock, too.

    Raises Fenced for one that has a commit here itself. Each then needs a transaction of its
    own, because an actor assumes that its commit alone writes to its calendar.
    """
    own = {commit.dentist_id for commit in commits}
    for move in moves:
        if move.left in own:
            raise Fenced(move.left)
        yield {"dentist": move.left}


def check_places(moves: Sequence[PlannedMove], sql: WriteStatements) -> Plan[None]:
    """Raises TurnRefused for the first row that is not as its move was decided on.

    The rows are locked with the calendars that have them.
    """
    reading = Step(sql.place, [{"row_id": move.event.after.id} for move in moves])
    (found,) = yield (reading,)
    places = {row_id: (dentist_id, version) for row_id, dentist_id, version in found}
    for move in moves:
        before, place = move.event.before, places.get(move.event.after.id)
        if place is None:
            raise TurnRefused(move.number, NotFound("appointment"))
        if before is None or place != (before.dentist_id, before.version):
            raise TurnRefused(move.number, VersionConflict(place[1]))


def settle_left(moves: Sequence[PlannedMove], sql: WriteStatements) -> Plan[None]:
    """Fences the calendars that were left, and records there what happened.

    A patient belongs to the practice that the appointment left, as before, and to the new one.
    """
    fences = [{"dentist": left} for left in sorted({move.left for move in moves})]
    members = {
        (practice, move.event.after.patient_id): move.turn.at
        for move in moves
        for practice in move.event.practices
    }
    joining = [
        {"practice_id": practice, "patient_id": patient, "source": "booked", "since": at}
        for (practice, patient), at in sorted(members.items())
    ]
    yield (
        Step(sql.raise_fence, fences),
        Step(sql.insert_member, joining),
        Step(sql.insert_audit, left_rows((move.turn, move.event) for move in moves)),
    )
