"""The appointments that a caller sees: the filter of every read of ``appointments``.

Deny by default (criteria 5.3, 5.4): a dentist sees the own calendar, a patient the own rows,
everyone else nothing.
"""

from sqlalchemy import ColumnElement, false

from actors.domain.channels import Channel, dentist_channel, patient_channel
from actors.domain.ids import DentistId, PatientId
from actors.domain.principal import Principal, Role
from store.sql.schema import appointments


def visible_appointments(principal: Principal) -> ColumnElement[bool]:
    if principal.person is not None:
        if principal.role is Role.DENTIST:
            return appointments.c.dentist_id == principal.person
        if principal.role is Role.PATIENT:
            return appointments.c.patient_id == principal.person
    return false()


def own_appointments_channel(principal: Principal) -> Channel | None:
    """The channel of exactly the rows that :func:`visible_appointments` shows."""
    if principal.person is not None:
        if principal.role is Role.DENTIST:
            return dentist_channel(DentistId(principal.person))
        if principal.role is Role.PATIENT:
            return patient_channel(PatientId(principal.person))
    return None
