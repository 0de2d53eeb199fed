"""The hub's JSON as types. The hub may add fields to a shape; it never renames one.

Instants are UTC in ISO 8601, e.g. ``2027-03-08T09:00:00Z``; times of day are the dentist's
wall clock, e.g. ``09:00``.
"""

from typing import Literal, NotRequired, TypedDict


class TimeRange(TypedDict):
    start: str
    end: str


class SlotChoice(TypedDict):
    """Of a slot that is to be held or booked."""

    dentist_id: str
    appointment_type_id: str
    start: str


class Slot(SlotChoice):
    end: str


class Booking(SlotChoice, total=False):
    """Of a slot that is booked without a hold."""

    patient_id: str | None
    notes: str | None
    overbook: bool | None


class Reservation(Slot):
    id: str
    patient_id: str
    expires_at: str


class Person(TypedDict):
    id: str
    name: str


class Appointment(Slot):
    id: str
    patient_id: str
    status: str
    version: int
    overbooked: bool
    created_via: str
    notes: str | None
    cancel_reason: str | None
    patient_confirmed_at: str | None
    created_at: str
    updated_at: str
    patient: Person
    dentist: Person
    expires_at: NotRequired[str]


class DentistCard(Person):
    """A dentist in the public directory."""

    time_zone: str | None
    practice_id: str | None
    active: bool


class ConsentToMessages(TypedDict):
    """Whether a patient agrees to messages of one kind; without ``at`` they were not asked."""

    given: bool
    at: str | None
    source: str | None


class Profile(DentistCard):
    role: str
    email: str | None
    phone: str | None
    date_of_birth: str | None
    language: str | None
    consent: dict[Literal["email", "sms"], ConsentToMessages]
    version: int


class AppointmentType(TypedDict):
    id: str
    name: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    description: str | None
    order: int
    color: str | None
    bookable_by: list[str]
    active: bool
    practice_id: str | None
    reminder_hours: list[int] | None
    version: int


class ChannelPosition(TypedDict):
    channel: str
    epoch: int
    offset: int


class DateOverride(TypedDict):
    """Replaces the weekly hours of one date; without windows the date is closed."""

    date: str
    windows: list[TimeRange]


class DentistAvailability(TypedDict):
    """A dentist's schedule; ``slots`` and ``position`` only if slots were requested."""

    dentist_id: str
    time_zone: str
    slot_step_minutes: int
    min_notice_minutes: int
    cancel_notice_minutes: int
    horizon_days: int
    rules: list[dict[str, str]]
    overrides: list[DateOverride]
    daily_limits: list[dict[str, str | int]]
    version: int
    slots: NotRequired[list[TimeRange]]
    affected_appointments: NotRequired[list[Appointment]]
    position: NotRequired[ChannelPosition]


class Pagination(TypedDict):
    limit: int
    next_cursor: str | None
    total: int | None


class AppointmentList(TypedDict):
    data: list[Appointment]
    pagination: Pagination
    position: ChannelPosition | None
    positions: list[ChannelPosition]


class SlotList(TypedDict):
    data: list[Slot]
    pagination: Pagination
    positions: list[ChannelPosition]


class AppointmentFilters(TypedDict, total=False):
    """Query of ``GET /api/appointments``; ``from_`` stands for ``from``."""

    from_: str
    to: str
    status: str | list[str]
    updated_since: str
    dentist_id: str | list[str]
    patient_id: str
    appointment_type_id: str
    sort: str
    """``start`` or ``-start``."""
    limit: int
    cursor: str | None
