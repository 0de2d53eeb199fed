"""Reads of practices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from actors.domain.ids import DentistId, PatientId, PracticeId
from actors.domain.practice import Practice, PracticePatient
from actors.domain.principal import Principal


class PracticeReads(Protocol):
    """Reads practices for the hub itself: they are public. Raises StoreUnavailable."""

    async def every(self) -> Sequence[Practice]:
        """All practices, by name and id; a hub has a few."""
        ...

    async def dentists_at(self, practice_id: PracticeId) -> tuple[DentistId, ...]:
        """The dentists who work there, by id, those who are not active included."""
        ...

    async def has_patient(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        """Whether the patient was entered or linked there, or was booked there."""
        ...

    async def patient_of(
        self, practice_id: PracticeId, patient_id: PatientId
    ) -> PracticePatient | None:
        """What the practice keeps of a patient. Of one who only booked, nothing is stored yet."""
        ...

    async def has_looked_up(self, by: Principal, patient_id: PatientId, since: datetime) -> bool:
        """Whether the principal found the patient by two identifiers at that time or later."""
        ...

    async def is_only_linked(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        """Whether the patient was linked there, and never booked there themselves."""
        ...

    async def calendars_of(self, patient_id: PatientId) -> tuple[DentistId, ...]:
        """The dentists with a row of the patient, of any age and status, by id."""
        ...
