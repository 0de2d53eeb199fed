"""Random commands on one calendar, in any order, break no invariant."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.appointment import Appointment, Status
from actors.domain.calendar import Calendar, evolve
from actors.domain.commands import (
    BookReservation,
    CancelAppointment,
    ChangeAppointment,
    Command,
    ExpireHold,
    ReleaseHold,
)
from actors.domain.decide import decide
from actors.domain.events import RowEvent
from actors.domain.ids import AppointmentId, PatientId, ProfileId
from actors.domain.principal import SYSTEM, Principal
from actors.domain.refusals import Refusal
from actors.domain.rules import own_hold_of
from actors.domain.slots import to_instant, to_minute
from tests.unit.calendars import (
    CHECKUP,
    CLEANING,
    NOW,
    STAFF,
    at,
    book_slot,
    calendar,
    hold_slot,
    patient,
)

PATIENTS = tuple(PatientId(ProfileId(name)) for name in ("anna", "ben", "cleo"))
KINDS = (CHECKUP, CLEANING)
STARTS = tuple(at(9) + timedelta(minutes=15 * n) for n in range(12))


@dataclass
class SimulatedCalendar:
    """A calendar, the table that its events write, and a clock."""

    calendar: Calendar = field(default_factory=calendar)
    table: dict[AppointmentId, Appointment] = field(default_factory=dict)
    now: datetime = NOW

    def execute(self, command: Command) -> bool:
        """Decide a command and apply its events; returns whether it was allowed."""
        try:
            decision = decide(command, self.calendar.with_named(self.table.values()), self.now)
        except Refusal:
            return False
        for event in decision.events:
            assert isinstance(event, RowEvent)
            self._write(event)
            self.calendar = evolve(self.calendar, event)
        self.calendar = self.calendar.settled(at(0) - timedelta(days=9))
        return True

    def _write(self, event: RowEvent) -> None:
        """Apply an event with the database's checks, in the order of events."""
        before, after = event.before, event.after
        assert self.table.get(after.id) == before, "decided on the current row"
        assert after.version == (before.version + 1 if before else 1)
        if after.blocked and not after.overbooked:
            for other in self.table.values():
                if other.id != after.id and other.blocked and not other.overbooked:
                    assert after.end <= other.start or other.end <= after.start, "no overlap"
        self.table[after.id] = after


@st.composite
def commands(draw: st.DrawFn, simulated: SimulatedCalendar, number: int) -> Command:
    who = draw(st.sampled_from(PATIENTS))
    kind, start = draw(st.sampled_from(KINDS)), draw(st.sampled_from(STARTS))
    by: Principal = draw(st.sampled_from((patient(who), STAFF)))
    known = sorted(simulated.table) or [AppointmentId("nothing")]
    named = draw(st.sampled_from(known))
    new = f"row-{number}"
    overbook = by is STAFF and draw(st.booleans())
    return draw(
        st.sampled_from(
            (
                hold_slot(start, by=patient(who), kind=kind, id=new),
                book_slot(start, by=by, who=who, kind=kind, id=new, overbook=overbook),
                BookReservation(by=patient(who), appointment_id=named),
                ReleaseHold(by=patient(who), appointment_id=named),
                ExpireHold(by=SYSTEM, appointment_id=named),
                CancelAppointment(by=by, appointment_id=named),
                ChangeAppointment(
                    by=by,
                    appointment_id=named,
                    start=draw(st.sampled_from((None, start))),
                    status=draw(st.sampled_from((None, *Status))) if by is STAFF else None,
                    overbook=overbook or None,
                ),
            )
        )
    )


@settings(max_examples=150)
@given(st.data())
def test_no_sequence_of_commands_breaks_an_invariant(data: st.DataObject) -> None:
    simulated = SimulatedCalendar()
    for number in range(data.draw(st.integers(5, 25))):
        simulated.now += timedelta(minutes=data.draw(st.integers(0, 3)))
        simulated.execute(data.draw(commands(simulated, number)))
        live = {row.id for row in simulated.table.values() if row.blocked}
        assert {row.id for row in simulated.calendar.agenda} == live
        holds = sum(row.status is Status.HELD for row in simulated.table.values())
        assert simulated.calendar.agenda.hold_count == holds


@settings(max_examples=100)
@given(st.data())
def test_exactly_the_listed_slots_can_be_held(data: st.DataObject) -> None:
    simulated = SimulatedCalendar()
    for number in range(data.draw(st.integers(0, 12))):
        simulated.now += timedelta(minutes=data.draw(st.integers(0, 3)))
        simulated.execute(data.draw(commands(simulated, number)))
    who, kind = data.draw(st.sampled_from(PATIENTS)), data.draw(st.sampled_from(KINDS))
    first, before = to_minute(at(8)), to_minute(at(18))
    listed = simulated.calendar.free(
        kind, first=first, before=before, now=simulated.now, patient_id=who
    )
    for start in range(first, before, 5):
        trial = SimulatedCalendar(simulated.calendar, dict(simulated.table), simulated.now)
        hold = hold_slot(to_instant(start), by=patient(who), kind=kind, id="trial")
        again = own_hold_of(simulated.calendar, hold, simulated.now) is not None
        held = trial.execute(hold)
        # A repeated hold is returned even if the dentist has since overbooked its time.
        assert held is (start in listed or again), to_instant(start)
