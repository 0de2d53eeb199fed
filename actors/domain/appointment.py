"""The appointment: one row with one id and one state machine.

A reservation (hold) is the first state of an appointment. Booking it changes the status of
the same row, so that exactly one row takes a slot at any moment::

    held ──▶ confirmed ◀──▶ arrived ◀──▶ checked_in ◀──▶ completed
      │          ├──▶ cancelled
      │          └◀─▶ no_show
      └──▶ released / expired

Only staff of the calendar go back, and from ``no_show`` at any time; the other steps back
belong to the local day of the visit (:func:`actors.domain.rules.check_day`).
"""

from datetime import datetime, timedelta
from enum import StrEnum

from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    PatientId,
    PracticeId,
)
from actors.domain.principal import Principal, Role
from actors.domain.refusals import InvalidTransition
from actors.domain.values import value


class Status(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    RELEASED = "released"
    EXPIRED = "expired"


LIVE = frozenset({Status.HELD, Status.CONFIRMED, Status.ARRIVED, Status.CHECKED_IN})
"""Statuses that block time in the dentist's calendar."""

ATTENDING = LIVE - {Status.HELD}
"""Statuses in which the patient is expected or present, and cannot be at another dentist."""

UNBOOKED = frozenset({Status.RELEASED, Status.EXPIRED})
"""Statuses of rows that were only a reservation."""

NEVER_BOOKED = UNBOOKED | {Status.HELD}
"""Statuses of rows that are or were only a reservation."""

NOT_BEFORE_ITS_DAY = frozenset(
    {Status.ARRIVED, Status.CHECKED_IN, Status.COMPLETED, Status.NO_SHOW}
)
"""Statuses that a visit cannot have before its local day."""

STEPS_BACK = frozenset(
    {
        (Status.COMPLETED, Status.CHECKED_IN),
        (Status.CHECKED_IN, Status.ARRIVED),
        (Status.ARRIVED, Status.CONFIRMED),
    }
)
"""Corrections that are made on the local day of the visit."""

_NEXT: dict[Status, frozenset[Status]] = {
    Status.HELD: frozenset({Status.CONFIRMED, Status.RELEASED, Status.EXPIRED}),
    Status.CONFIRMED: frozenset({Status.ARRIVED, Status.CANCELLED, Status.NO_SHOW}),
    Status.ARRIVED: frozenset({Status.CHECKED_IN, Status.CONFIRMED}),
    Status.CHECKED_IN: frozenset({Status.COMPLETED, Status.ARRIVED}),
    Status.COMPLETED: frozenset({Status.CHECKED_IN}),
    Status.NO_SHOW: frozenset({Status.CONFIRMED}),
}


MAX_MINUTES = 24 * 60
"""No appointment and no buffer is longer than a day."""
LONGEST = timedelta(minutes=MAX_MINUTES)


ORDER_MAX = 9_999
"""The largest place of a type in lists, and the smallest with the other sign."""
REMINDERS_MAX = 5
REMINDER_HOURS_MAX = 720
"""Thirty days."""
BOOKABLE_BY = (Role.PATIENT, Role.STAFF)
"""Who may book a type; dentists count as staff, a chatbot as its patient."""


def check_transition(current: Status, wanted: Status) -> None:
    """Raise :class:`InvalidTransition` unless the state machine allows the change."""
    if wanted not in _NEXT.get(current, frozenset()):
        raise InvalidTransition(current, wanted)


@value
class AppointmentType:
    """A treatment that can be booked (FHIR ``serviceType``); durations in minutes."""

    id: AppointmentTypeId
    name: str
    duration_minutes: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    description: str | None = None
    order: int = 0
    """Lists are sorted by it, then by name."""
    color: str | None = None
    """``#rrggbb``, for calendars."""
    bookable_by: tuple[Role, ...] = BOOKABLE_BY
    """Those of :data:`BOOKABLE_BY` who may book it, in that order."""
    active: bool = True
    """If not, nothing new of it is offered or booked; visits keep it."""
    practice_id: PracticeId | None = None
    """Offered at the calendars of this practice only; ``None``: at all of them."""
    reminder_hours: tuple[int, ...] | None = None
    """How long before a visit its patient is reminded; ``None``: as set for the hub."""
    version: int = 1

    @property
    def is_public(self) -> bool:
        """Whether patients may book it at some calendar."""
        return self.active and Role.PATIENT in self.bookable_by

    def is_shown_to(self, by: Principal) -> bool:
        """Whether it exists for the caller: what patients may book, or what their practice has."""
        if by.works_at_practice:
            return self.practice_id in (None, by.practice)
        return self.is_public or by.role is Role.ADMIN

    def is_offered(self, practice_id: PracticeId | None, *, to_staff: bool) -> bool:
        """Whether it may be booked at a calendar of the practice, by staff or by patients."""
        return (
            self.active
            and (self.practice_id is None or self.practice_id == practice_id)
            and (Role.STAFF if to_staff else Role.PATIENT) in self.bookable_by
        )


@value
class TimeBlock:
    """Time taken in a calendar, with its buffers. It does not identify the patient."""

    start: datetime
    end: datetime
    buffer_before_minutes: int
    buffer_after_minutes: int


@value
class Appointment:
    """One row of ``appointments``. ``start``/``end`` are UTC, whole minutes."""

    id: AppointmentId
    dentist_id: DentistId
    patient_id: PatientId
    appointment_type_id: AppointmentTypeId
    start: datetime
    end: datetime
    buffer_before_minutes: int
    buffer_after_minutes: int
    status: Status
    expires_at: datetime | None = None
    """When a hold ends by itself; ``None`` once it was booked."""
    version: int = 1
    overbooked: bool = False
    created_via: str
    notes: str | None = None
    cancel_reason: CancelReason | None = None
    patient_confirmed_at: datetime | None = None
    """When the patient answered that they will come, at this time and to this dentist."""
    created_at: datetime
    updated_at: datetime

    def __post_init__(self) -> None:
        assert self.start < self.end, "an appointment has a positive length"
        assert (self.status is not Status.HELD) or self.expires_at, "a hold has an end"

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def blocked(self) -> TimeBlock | None:
        """The time that this row blocks, or ``None`` if its status blocks none."""
        if not self.is_live:
            return None
        return TimeBlock(
            start=self.start,
            end=self.end,
            buffer_before_minutes=self.buffer_before_minutes,
            buffer_after_minutes=self.buffer_after_minutes,
        )

    def is_overdue(self, now: datetime) -> bool:
        """Whether this is a hold whose time is over, whether or not its alarm has fired."""
        return self.status is Status.HELD and self.expires_at is not None and now >= self.expires_at
