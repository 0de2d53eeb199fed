"""No sequence of commands ends in a state that a direct booking would have refused.

Holds, bookings, moves, and changes of types and schedules come in any order. Each time a patient
takes a slot, two models judge it: the naive one, minute by minute, and a direct booking of the
same slot. Staff may overbook, and their own bookings are not judged.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.calendar import Calendar, evolve
from actors.domain.commands import (
    BookReservation,
    CancelAppointment,
    ChangeAppointment,
    Command,
    ReplaceSchedule,
)
from actors.domain.decide import Decision, decide
from actors.domain.events import RowEvent
from actors.domain.ids import AppointmentId, PatientId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import NotFound, Refusal, ReservationExpired
from actors.domain.schedule import (
    DailyLimit,
    Override,
    ReservedBlock,
    Schedule,
    TimeOff,
    Weekday,
    Window,
)
from actors.domain.slots import Taken, local_date, to_minute
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
    with_schedule,
)
from tests.unit.naive_slots import NaiveSlots

PATIENTS = tuple(PatientId(ProfileId(name)) for name in ("anna", "ben", "cleo"))
KINDS = (CHECKUP, CLEANING)
STARTS = tuple(at(8, 45) + timedelta(minutes=15 * n) for n in range(14))
TODAY = at(0).date()


@dataclass
class Day:
    """A calendar on which commands are tried, and the clock."""

    calendar: Calendar = field(default_factory=calendar)
    now: datetime = NOW
    rows: dict[AppointmentId, Appointment] = field(default_factory=dict)

    def execute(self, command: Command) -> None:
        known = self.calendar.with_named(self.rows.values())
        try:
            decision = decide(command, known, self.now)
        except Refusal as refusal:
            self._check_refused(command, refusal)
            return
        self._check(command, decision)
        for event in decision.events:
            self.calendar = evolve(self.calendar, event)
            if isinstance(event, RowEvent):
                self.rows[event.after.id] = event.after

    def change_type(self, kind: AppointmentType) -> None:
        self.calendar = replace(self.calendar, types={**self.calendar.types, kind.id: kind})

    # --- the two models --------------------------------------------------------------

    def _check(self, command: Command, decision: Decision) -> None:
        taken = [
            event
            for event in decision.events
            if isinstance(event, RowEvent)
            and _takes_time(event)
            and not command.by.works_at_practice
        ]
        assert len(taken) <= 1
        for event in taken:
            self._check_naively(event.after)
            booked = self._book_directly(event.after)
            assert (booked.start, booked.end) == (event.after.start, event.after.end)
            assert booked.buffer_after_minutes == event.after.buffer_after_minutes

    def _check_refused(self, command: Command, refusal: Refusal) -> None:
        """A hold is refused for no other reason than its slot would be."""
        if isinstance(command, BookReservation) and not isinstance(
            refusal, ReservationExpired | NotFound
        ):
            hold = self.rows[command.appointment_id]
            if hold.status is Status.HELD:
                with pytest.raises(type(refusal)):
                    self._book_directly(hold)

    def _book_directly(self, row: Appointment) -> Appointment:
        """Book the slot of a row in the calendar as if the row had never been; raises Refusal."""
        others = Agenda(each for each in self.calendar.agenda if each.id != row.id)
        without = replace(self.calendar, agenda=others)
        kind = self.calendar.types[row.appointment_type_id]
        wanted = book_slot(row.start, who=row.patient_id, kind=kind, id="direct")
        reply = decide(wanted, without, self.now).reply
        assert isinstance(reply, Appointment)
        return reply

    def _check_naively(self, row: Appointment) -> None:
        schedule, start = self.calendar.schedule, to_minute(row.start)
        others = [
            each
            for each in self.rows.values()
            if each.id != row.id
            and not each.is_overdue(self.now)
            and not (each.status is Status.HELD and each.patient_id == row.patient_id)
        ]
        naive = NaiveSlots(
            schedule,
            replace(
                self.calendar.types[row.appointment_type_id],
                duration_minutes=int((row.end - row.start) / timedelta(minutes=1)),
                buffer_before_minutes=row.buffer_before_minutes,
                buffer_after_minutes=row.buffer_after_minutes,
            ),
            [_taken(each) for each in others if each.blocked],
            first=start,
            before=start + 1,
            now=self.now,
            full=lambda day: self._is_full(row, others, day),
        )
        assert naive.free == [start]

    def _is_full(self, row: Appointment, others: list[Appointment], day: date) -> bool:
        """Holds of one patient are alternatives to each other and to what they have booked."""
        limit = self.calendar.schedule.daily_limit(row.appointment_type_id)
        same = [
            each
            for each in others
            if each.appointment_type_id == row.appointment_type_id
            and (each.blocked or each.status is Status.COMPLETED)
            and local_date(to_minute(each.start), self.calendar.schedule.zone) == day
        ]
        count = 0
        for who in PATIENTS:
            own = [each.status is Status.HELD for each in same if each.patient_id == who]
            count += max(own.count(False), 1 if True in own else 0)
        return limit is not None and count >= limit


def _takes_time(event: RowEvent) -> bool:
    before, after = event.before, event.after
    return after.blocked is not None and (before is None or _placement(before) != _placement(after))


def _placement(row: Appointment) -> object:
    return row.start, row.end, row.status is Status.HELD


def _taken(row: Appointment) -> Taken:
    start, end = to_minute(row.start), to_minute(row.end)
    return Taken(start, end, row.buffer_before_minutes, row.buffer_after_minutes)


limits = st.lists(
    st.builds(
        DailyLimit,
        appointment_type_id=st.sampled_from([kind.id for kind in KINDS]),
        per_day=st.integers(0, 3),
    ),
    max_size=2,
).map(tuple)

schedules: st.SearchStrategy[Schedule] = st.builds(
    with_schedule,
    slot_step_minutes=st.sampled_from([15, 15, 30]),
    min_notice_minutes=st.sampled_from([0, 0, 60, 4 * 24 * 60]),
    horizon_days=st.sampled_from([30, 30, 1]),
    daily_limits=limits,
    time_zone=st.sampled_from(["UTC", "UTC", "Europe/Vienna", "Pacific/Auckland"]),
    overrides=st.sampled_from(
        [(), (), (Override(date=TODAY, windows=(Window(9 * 60, 10 * 60),)),)]
    ),
    time_off=st.sampled_from(
        [(), (), (TimeOff(start_date=TODAY, end_date=TODAY, start=600, end=630),)]
    ),
    reserved_blocks=st.sampled_from(
        [
            (),
            (),
            (
                ReservedBlock(
                    weekday=Weekday.of(TODAY), window=Window(600, 660), opens_minutes_before=60
                ),
            ),
        ]
    ),
    appointment_type_ids=st.sampled_from([None, None, (CLEANING.id,)]),
)

types: st.SearchStrategy[AppointmentType] = st.builds(
    replace,
    st.sampled_from(KINDS),
    duration_minutes=st.sampled_from([15, 30, 60, 90]),
    buffer_before_minutes=st.sampled_from([0, 0, 15]),
    buffer_after_minutes=st.sampled_from([0, 0, 15]),
)


@st.composite
def commands(draw: st.DrawFn, day: Day, number: int) -> Command:
    who, kind = draw(st.sampled_from(PATIENTS)), draw(st.sampled_from(KINDS))
    start, new = draw(st.sampled_from(STARTS)), f"row-{number}"
    live = [row for row in day.rows.values() if row.blocked]
    named = draw(st.sampled_from(live)) if live else None
    row_id = named.id if named else AppointmentId("nothing")
    owner = patient(named.patient_id if named else who)
    by: Principal = draw(st.sampled_from((owner, owner, owner, STAFF)))
    is_staff = by.role is Role.DENTIST
    overbook = is_staff and draw(st.booleans())
    hold = hold_slot(start, by=patient(who), kind=kind, id=new)
    confirm = BookReservation(by=owner, appointment_id=row_id)
    taker = STAFF if is_staff else patient(who)
    book = book_slot(start, by=taker, who=who, kind=kind, id=new, overbook=overbook)
    move = ChangeAppointment(
        by=by, appointment_id=row_id, start=start, overbook=overbook if is_staff else None
    )
    cancel = CancelAppointment(by=by, appointment_id=row_id)
    replaced = ReplaceSchedule(by=STAFF, schedule=draw(schedules))
    return draw(
        st.sampled_from((hold, hold, hold, confirm, confirm, confirm, book, move, replaced, cancel))
    )


def passes_no_rule(data: st.DataObject) -> None:
    day = Day()
    for number in range(data.draw(st.integers(4, 20))):
        day.now += timedelta(minutes=data.draw(st.sampled_from([0, 0, 1, 4])))
        if data.draw(st.sampled_from([False] * 7 + [True])):
            day.change_type(data.draw(types))
        day.execute(data.draw(commands(day, number)))


def examples(count: int) -> Callable[[Callable[[st.DataObject], None]], Callable[[], None]]:
    def decorate(run: Callable[[st.DataObject], None]) -> Callable[[], None]:
        quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
        limited = settings(max_examples=count, suppress_health_check=quiet)
        return limited(given(data=st.data())(run))

    return decorate


@examples(150)
def test_no_sequence_passes_a_rule(data: st.DataObject) -> None:
    passes_no_rule(data)


@pytest.mark.long
@pytest.mark.timeout(1800)
@examples(5_000)
def test_no_long_search_finds_a_sequence_that_passes_a_rule(data: st.DataObject) -> None:
    passes_no_rule(data)
