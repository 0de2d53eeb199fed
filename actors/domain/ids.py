"""Types of ids. Every record has a UUIDv7 in text form.

Ids of dentists and of patients are both ids of ``profiles`` rows. The type records which role
was established before.
"""

import re
from typing import Final, NewType

ProfileId = NewType("ProfileId", str)
DentistId = NewType("DentistId", ProfileId)
PatientId = NewType("PatientId", ProfileId)
AppointmentId = NewType("AppointmentId", str)
AppointmentTypeId = NewType("AppointmentTypeId", str)
EventId = NewType("EventId", str)
PracticeId = NewType("PracticeId", str)

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def parse_id(text: object) -> str | None:
    """A record's id in its canonical form, in lower case; ``None`` if it cannot be one."""
    if isinstance(text, str) and _UUID.fullmatch(text):
        return text.lower()
    return None
