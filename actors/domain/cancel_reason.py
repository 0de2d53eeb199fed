"""Reasons for cancelling an appointment, with their FHIR codes.

FHIR R4 value set ``appointment-cancellation-reason``
(http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason).
"""

from enum import StrEnum


class CancelReason(StrEnum):
    PATIENT = "patient"
    PATIENT_ILL = "patient_ill"
    PATIENT_FEELS_BETTER = "patient_feels_better"
    PATIENT_NO_TRANSPORT = "patient_no_transport"
    PATIENT_MOVED_AWAY = "patient_moved_away"
    PATIENT_CHANGED_DENTIST = "patient_changed_dentist"
    DENTIST = "dentist"
    DENTIST_PERSONAL = "dentist_personal"
    DENTIST_MEETING = "dentist_meeting"
    DENTIST_IN_HOSPITAL = "dentist_in_hospital"
    EQUIPMENT = "equipment"
    ROOM = "room"
    WEATHER = "weather"
    PAYMENT = "payment"
    BOOKING_ERROR = "booking_error"
    OTHER = "other"

    @property
    def fhir(self) -> str:
        """The code of the value set; the more general one where it has none of its own."""
        return _FHIR[self]


_FHIR = {
    CancelReason.PATIENT: "pat",
    CancelReason.PATIENT_ILL: "pat",
    CancelReason.PATIENT_FEELS_BETTER: "pat-fb",
    CancelReason.PATIENT_NO_TRANSPORT: "pat-lt",
    CancelReason.PATIENT_MOVED_AWAY: "pat-mv",
    CancelReason.PATIENT_CHANGED_DENTIST: "pat-ucp",
    CancelReason.DENTIST: "prov",
    CancelReason.DENTIST_PERSONAL: "prov-pers",
    CancelReason.DENTIST_MEETING: "prov-edu",
    CancelReason.DENTIST_IN_HOSPITAL: "prov-hosp",
    CancelReason.EQUIPMENT: "maint",
    CancelReason.ROOM: "oth-room",
    CancelReason.WEATHER: "oth-weath",
    CancelReason.PAYMENT: "oth-fin",
    CancelReason.BOOKING_ERROR: "oth-err",
    CancelReason.OTHER: "other",
}
