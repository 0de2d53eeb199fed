"""Reasons for cancelling an appointment, with their FHIR codes.

FHIR R4 value set ``appointment-cancellation-reason``
(http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason).
"""

from enum import StrEnum
from typing import Self


class CancelReason(StrEnum):
    fhir: str
    """The code of the value set; the more general one where it has none of its own."""

    def __new__(cls, value: str, fhir: str) -> Self:
        reason = str.__new__(cls, value)
        reason._value_, reason.fhir = value, fhir
        return reason

    PATIENT = "patient", "pat"
    PATIENT_ILL = "patient_ill", "pat"
    PATIENT_FEELS_BETTER = "patient_feels_better", "pat-fb"
    PATIENT_NO_TRANSPORT = "patient_no_transport", "pat-lt"
    PATIENT_MOVED_AWAY = "patient_moved_away", "pat-mv"
    PATIENT_CHANGED_DENTIST = "patient_changed_dentist", "pat-ucp"
    DENTIST = "dentist", "prov"
    DENTIST_PERSONAL = "dentist_personal", "prov-pers"
    DENTIST_MEETING = "dentist_meeting", "prov-edu"
    DENTIST_IN_HOSPITAL = "dentist_in_hospital", "prov-hosp"
    EQUIPMENT = "equipment", "maint"
    ROOM = "room", "oth-room"
    WEATHER = "weather", "oth-weath"
    PAYMENT = "payment", "oth-fin"
    BOOKING_ERROR = "booking_error", "oth-err"
    OTHER = "other", "other"
