"""The appointment types of a usual dental practice, as a start."""

from typing import Final

from actors.services.requests import NewAppointmentType

USUAL_TYPES: Final = (
    NewAppointmentType(name="Check-up", duration_minutes=30, buffer_after_minutes=5),
    NewAppointmentType(name="Cleaning", duration_minutes=45, buffer_after_minutes=10),
    NewAppointmentType(
        name="Filling", duration_minutes=60, buffer_before_minutes=5, buffer_after_minutes=10
    ),
    NewAppointmentType(
        name="Root canal treatment",
        duration_minutes=90,
        buffer_before_minutes=10,
        buffer_after_minutes=15,
    ),
    NewAppointmentType(
        name="Extraction", duration_minutes=45, buffer_before_minutes=5, buffer_after_minutes=15
    ),
    NewAppointmentType(name="First visit", duration_minutes=45, buffer_after_minutes=5),
    NewAppointmentType(name="Emergency", duration_minutes=20, buffer_after_minutes=5),
)
