"""One dentist's calendar as a value, and the next one after an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.events import CalendarEvent, RowEvent
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId
from actors.domain.refusals import NotFound
from actors.domain.schedule import Schedule
from actors.domain.slots import Minute, free_starts


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    dentist_id: DentistId
    schedule: Schedule
    types: Mapping[AppointmentTypeId, AppointmentType]
    hold_time: timedelta
    """How long a slot is kept for a patient (criterion 8.1)."""
    agenda: Agenda
    """Live rows from yesterday on."""
    named: Mapping[AppointmentId, Appointment] = field(default_factory=dict)
    """Rows loaded because a command of this batch names them, whatever their status."""

    def kind(self, type_id: AppointmentTypeId) -> AppointmentType:
        """The appointment type, or :class:`NotFound`."""
        if kind := self.types.get(type_id):
            return kind
        raise NotFound("appointment type")

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
    ) -> list[Minute]:
        """Bookable starts in ``[first, before)``; the patient's own holds count as free."""
        taken = self.agenda.taken(first, before + kind.duration_minutes, now, free_for=patient_id)
        return free_starts(self.schedule, kind, taken, first=first, before=before, now=now)

    def with_named(self, rows: Iterable[Appointment]) -> "Calendar":
        return replace(self, named={row.id: row for row in rows})

    def settled(self, live_after: datetime) -> "Calendar":
        """What stays in memory between batches: live rows from ``live_after`` on."""
        return replace(self, agenda=self.agenda.since(live_after), named={})


def evolve(calendar: Calendar, event: CalendarEvent) -> Calendar:
    """The calendar after the event; it was decided, so it always applies."""
    if isinstance(event, RowEvent):
        agenda = calendar.agenda.changed(event.before, event.after)
        return replace(
            calendar, agenda=agenda, named={**calendar.named, event.after.id: event.after}
        )
    return replace(calendar, schedule=event.after)
