"""Identities: every record has a UUIDv7 in text form, and every kind its own type.

A dentist id and a patient id are both ids of ``profiles`` rows; the type says which
role the surrounding code has already established.
"""

from typing import NewType

ProfileId = NewType("ProfileId", str)
DentistId = NewType("DentistId", ProfileId)
PatientId = NewType("PatientId", ProfileId)
AppointmentId = NewType("AppointmentId", str)
AppointmentTypeId = NewType("AppointmentTypeId", str)
EventId = NewType("EventId", str)
