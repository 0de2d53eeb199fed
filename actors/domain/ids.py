"""Types of ids. Every record has a UUIDv7 in text form.

Ids of dentists and of patients are both ids of ``profiles`` rows. The type records which role
was established before.
"""

from typing import NewType

ProfileId = NewType("ProfileId", str)
DentistId = NewType("DentistId", ProfileId)
PatientId = NewType("PatientId", ProfileId)
AppointmentId = NewType("AppointmentId", str)
AppointmentTypeId = NewType("AppointmentTypeId", str)
EventId = NewType("EventId", str)
