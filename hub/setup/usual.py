"""The appointment types of a usual dental practice, as a start."""

from typing import Final

from actors.domain.principal import Role
from actors.services.requests import NewAppointmentType

_BY_STAFF: Final = (Role.STAFF,)

USUAL_TYPES: Final = (
    NewAppointmentType(
        name="Check-up",
        duration_minutes=30,
        buffer_after_minutes=5,
        description="Examination of teeth and gums",
        order=10,
        color="#2e7d32",
    ),
    NewAppointmentType(
        name="Cleaning",
        duration_minutes=45,
        buffer_after_minutes=10,
        description="Professional cleaning of the teeth",
        order=20,
        color="#0277bd",
    ),
    NewAppointmentType(
        name="First visit",
        duration_minutes=45,
        buffer_after_minutes=5,
        description="For new patients: examination and time for questions",
        order=30,
        color="#6a1b9a",
    ),
    NewAppointmentType(
        name="Emergency",
        duration_minutes=20,
        buffer_after_minutes=5,
        description="Pain, an accident, or a broken tooth",
        order=40,
        color="#c62828",
    ),
    NewAppointmentType(
        name="Filling",
        duration_minutes=60,
        buffer_before_minutes=5,
        buffer_after_minutes=10,
        description="Treatment of a tooth with a filling",
        order=50,
        color="#ef6c00",
    ),
    NewAppointmentType(
        name="Root canal treatment",
        duration_minutes=90,
        buffer_before_minutes=10,
        buffer_after_minutes=15,
        order=60,
        color="#4e342e",
        bookable_by=_BY_STAFF,
    ),
    NewAppointmentType(
        name="Extraction",
        duration_minutes=45,
        buffer_before_minutes=5,
        buffer_after_minutes=15,
        order=70,
        color="#546e7a",
        bookable_by=_BY_STAFF,
    ),
)
"""Patients book the first ones by themselves; the practice books the last two."""
