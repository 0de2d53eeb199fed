"""The JSON of the hub's resources as types; the hub may add fields, never rename them."""

from typing import Any, NotRequired, TypedDict


class Person(TypedDict):
    id: str
    name: str


class Appointment(TypedDict):
    """``start``, ``end``: UTC instants, e.g. ``2027-03-08T09:00:00Z``."""

    id: str
    dentist_id: str
    patient_id: str
    appointment_type_id: str
    start: str
    end: str
    status: str
    version: int
    overbooked: bool
    created_via: str
    notes: str | None
    cancel_reason: str | None
    created_at: str
    updated_at: str
    patient: Person
    dentist: Person
    expires_at: NotRequired[str]


class Reservation(TypedDict):
    id: str
    dentist_id: str
    patient_id: str
    appointment_type_id: str
    start: str
    end: str
    expires_at: str


class Slot(TypedDict):
    dentist_id: str
    appointment_type_id: str
    start: str
    end: str


class ChannelPosition(TypedDict):
    channel: str
    epoch: int
    offset: int


class Pagination(TypedDict):
    limit: int
    next_cursor: str | None
    total: int


class AppointmentPage(TypedDict):
    data: list[Appointment]
    pagination: Pagination
    position: ChannelPosition | None


class SlotPage(TypedDict):
    data: list[Slot]
    pagination: dict[str, Any]
    positions: list[ChannelPosition]


class Availability(TypedDict):
    """A dentist's schedule; ``slots`` only when they were asked for."""

    dentist_id: str
    time_zone: str
    slot_step_minutes: int
    min_notice_minutes: int
    horizon_days: int
    rules: list[dict[str, Any]]
    overrides: list[dict[str, Any]]
    version: int
    slots: NotRequired[list[dict[str, str]]]
    affected_appointments: NotRequired[list[Appointment]]
    position: NotRequired[ChannelPosition]


class Profile(TypedDict):
    id: str
    role: str
    name: str
    email: str | None
    phone: str | None
    time_zone: str | None
    version: int


class AppointmentType(TypedDict):
    id: str
    name: str
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    version: int
