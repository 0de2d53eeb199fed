"""What happened: domain events in the past tense, each with the row before and after.

Everything else follows from them: the rows to write, the audit, what subscribers are
told (:mod:`actors.domain.announcements`) and the next state of the calendar.
"""

from dataclasses import dataclass

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.ids import DentistId
from actors.domain.profile import Profile
from actors.domain.schedule import Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class RowEvent:
    """A change of one appointment row; ``before`` is ``None`` when the row is new."""

    before: Appointment | None
    after: Appointment


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotHeld(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldReleased(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldExpired(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentBooked(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentChanged(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentCancelled(RowEvent): ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleReplaced:
    dentist_id: DentistId
    before: Schedule
    after: Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileSaved:
    """A profile was created (``before`` is ``None``) or changed."""

    before: Profile | None
    after: Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentTypeSaved:
    before: AppointmentType | None
    after: AppointmentType


CalendarEvent = RowEvent | ScheduleReplaced
Event = CalendarEvent | ProfileSaved | AppointmentTypeSaved
