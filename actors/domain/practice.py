"""Practices: where dentists and staff work (FHIR Organization and Location)."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from actors.domain.ids import PatientId, PracticeId
from actors.domain.schedule import Closure
from actors.domain.values import value


class DentistsSee(StrEnum):
    """Which patients the dentists of a practice find and see."""

    OWN = "own"
    """Those who booked with them, or whom they entered."""
    PRACTICE = "practice"
    """All of the practice."""


@value
class Practice:
    """Everything is public to every signed-in user."""

    id: PracticeId
    name: str
    time_zone: str
    """IANA name. A new dentist's schedule starts with it."""
    region: str | None = None
    """ISO 3166 code of the country of telephone numbers without a country code."""
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    website: str | None = None
    closures: tuple[Closure, ...] = ()
    """Days on which no calendar of the practice offers anything."""
    version: int = 1
    dentists_see: DentistsSee = DentistsSee.PRACTICE
    """Unless the configuration says otherwise for all practices."""


BOOKED: Final = "booked"
"""The ``source`` of a patient whom no one entered or linked."""


@value
class PracticePatient:
    """What a practice keeps of one of its patients for itself."""

    practice_id: PracticeId
    patient_id: PatientId
    source: str
    """How they came to the practice: ``created``, ``linked``, ``migrated`` or ``booked``."""
    since: datetime
    remark: str | None = None
    """For the dentists and staff of the practice only: in no event, and in no other response."""
    version: int = 1

    @property
    def id(self) -> PatientId:
        return self.patient_id
