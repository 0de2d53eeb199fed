"""One dentist's calendar as an immutable value, and how events change it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import date, datetime, timedelta

from actors.domain.agenda import Agenda
from actors.domain.appointment import ATTENDING, Appointment, AppointmentType, Status
from actors.domain.events import CalendarEvent, RowEvent
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    PatientId,
    PracticeId,
)
from actors.domain.principal import Principal, Role
from actors.domain.refusals import NotFound, OutsideAvailability
from actors.domain.schedule import Schedule, StaffTerms
from actors.domain.slots import (
    IsFull,
    Minute,
    free_starts,
    in_open_time,
    local_date,
    to_minute,
    why_not,
)
from actors.domain.values import value


@value
class Calendar:
    """All that commands of one dentist are decided on."""

    dentist_id: DentistId
    schedule: Schedule
    types: Mapping[AppointmentTypeId, AppointmentType]
    hold_time: timedelta
    """How long a slot is held for a patient (criterion 8.1)."""
    agenda: Agenda
    """Live rows, without those of days that are over."""
    completed: tuple[Appointment, ...] = ()
    """Completed rows, without those of days that are over; they count towards daily limits."""
    named: Mapping[AppointmentId, Appointment] = field(default_factory=dict)
    """Rows of any status that commands of the current batch name."""
    practice_id: PracticeId | None = None
    """The practice whose staff manage the calendar, too."""
    active: bool = True
    """Whether the dentist still works: if not, nothing new can be booked."""

    def kind(self, type_id: AppointmentTypeId) -> AppointmentType:
        """The appointment type; raises :class:`NotFound`."""
        if kind := self.types.get(type_id):
            return kind
        raise NotFound("appointment type")

    @property
    def offered_types(self) -> Mapping[AppointmentTypeId, int]:
        """The versions of the types that can be booked here; no new row has another type."""
        return {
            kind.id: kind.version
            for kind in self.types.values()
            if kind.active and kind.practice_id in (None, self.practice_id)
        }

    def managed_by(self, by: Principal) -> bool:
        """Whether it is the calendar of this dentist, or of the practice of this staff."""
        if by.role is Role.STAFF:
            return self.practice_id is not None and by.practice == self.practice_id
        return by.role is Role.DENTIST and by.person == self.dentist_id

    def check_open(self, row: Appointment) -> None:
        """Raise OutsideAvailability on a day on which the practice is closed.

        This binds everyone, as does a dentist who no longer works.
        """
        zone = self.schedule.zone
        first = local_date(to_minute(row.start), zone)
        last = local_date(to_minute(row.end) - 1, zone)
        if not self.active or any(
            each.start_date <= last and first <= each.end_date for each in self.schedule.closures
        ):
            raise OutsideAvailability

    def is_affected(self, row: Appointment, now: datetime) -> bool:
        """Whether it is a visit to come that lies outside of open time as it is now."""
        return (
            row.status in ATTENDING
            and row.start > now
            and not (
                self.active
                and in_open_time(self.schedule, to_minute(row.start), to_minute(row.end))
            )
        )

    def find(self, appointment_id: AppointmentId) -> Appointment | None:
        return self.agenda.get(appointment_id) or self.named.get(appointment_id)

    def free(
        self,
        kind: AppointmentType,
        *,
        first: Minute,
        before: Minute,
        now: datetime,
        patient_id: PatientId | None,
        terms: StaffTerms | None = None,
    ) -> list[Minute]:
        """The bookable starts in ``[first, before)``; the patient's own holds count as free.

        With ``terms``, those that are listed for staff.
        """
        to_staff = terms is not None
        if not self.active or not kind.is_offered(self.practice_id, to_staff=to_staff):
            return []
        return free_starts(
            self.schedule if terms is None else self.schedule.for_staff(terms),
            kind,
            self.agenda.taken(
                first - kind.buffer_before_minutes,
                before + kind.duration_minutes + kind.buffer_after_minutes,
                now,
                free_for=patient_id,
            ),
            first=first,
            before=before,
            now=now,
            full=self._full(kind, now, patient_id, None),
        )

    def check_offered(self, kind: AppointmentType, row: Appointment, now: datetime) -> None:
        """Raise why the row's patient cannot have its start, unless :meth:`free` lists it.

        The row itself, as it is now, does not count. ``row`` has the length of ``kind``.
        """
        if not kind.is_offered(self.practice_id, to_staff=False):
            raise OutsideAvailability
        start = to_minute(row.start)
        taken = self.agenda.taken(
            start - kind.buffer_before_minutes,
            start + kind.duration_minutes + kind.buffer_after_minutes,
            now,
            free_for=row.patient_id,
            ignoring=row.id,
        )
        full = self._full(kind, now, row.patient_id, row.id)
        if refusal := why_not(self.schedule, kind, taken, start, now, full=full):
            raise refusal

    def _full(
        self,
        kind: AppointmentType,
        now: datetime,
        free_for: PatientId | None,
        ignoring: AppointmentId | None,
    ) -> IsFull | None:
        """A predicate: whether the type has reached its daily limit on a date. ``None``: no limit.

        Booked and completed rows count. The holds of a patient on a date are alternatives:
        together they count as one, and as none once that patient has booked one there.
        """
        limit = self.schedule.daily_limit(kind.id)
        if limit is None:
            return None
        booked: Counter[date] = Counter()
        booking, holding = set[tuple[date, PatientId]](), set[tuple[date, PatientId]]()
        for row in (*self.agenda, *self.completed):
            if row.appointment_type_id != kind.id or row.id == ignoring or row.is_overdue(now):
                continue
            day = local_date(to_minute(row.start), self.schedule.zone)
            if row.status is not Status.HELD:
                booked[day] += 1
                booking.add((day, row.patient_id))
            elif row.patient_id != free_for:
                holding.add((day, row.patient_id))
        booked.update(day for day, _ in holding - booking)
        return lambda day: booked[day] >= limit

    def with_named(self, rows: Iterable[Appointment]) -> "Calendar":
        return replace(self, named={row.id: row for row in rows})

    def settled(self, live_after: datetime) -> "Calendar":
        """The calendar as kept between batches: rows that end at ``live_after`` or later."""
        completed = tuple(row for row in self.completed if row.end >= live_after)
        return self.with_rows(self.agenda.since(live_after), completed, {})

    def with_rows(
        self,
        agenda: Agenda,
        completed: tuple[Appointment, ...],
        named: Mapping[AppointmentId, Appointment],
    ) -> "Calendar":
        """The calendar with these rows; ``replace`` would take four times as long."""
        return Calendar(
            dentist_id=self.dentist_id,
            schedule=self.schedule,
            types=self.types,
            hold_time=self.hold_time,
            agenda=agenda,
            completed=completed,
            named=named,
            practice_id=self.practice_id,
            active=self.active,
        )


def evolve(calendar: Calendar, event: CalendarEvent) -> Calendar:
    """The calendar after an event. Events were decided, so that every one applies."""
    if not isinstance(event, RowEvent):
        return replace(calendar, schedule=event.after)
    row, completed, named = event.after, calendar.completed, calendar.named
    if not row.is_live:  # later commands of the batch do not find it in the agenda
        named = {**named, row.id: row}
    if row.status is Status.COMPLETED:
        completed = (*completed, row)
    elif event.before is not None and event.before.status is Status.COMPLETED:
        completed = tuple(each for each in completed if each.id != row.id)
    return calendar.with_rows(calendar.agenda.changed(event.before, row), completed, named)
