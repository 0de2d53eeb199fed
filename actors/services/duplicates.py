"""Finds patients of a practice whom another record may be of, too."""

from collections.abc import Sequence
from typing import Final

from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.likeness import Likeness, Traits
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import DuplicatePatient, Forbidden, NotFound
from actors.domain.values import value
from actors.ports.profiles import Profiles
from actors.services.caller import Caller
from actors.services.practices import Practices

SUSPECTS_MAX: Final = 50


@value
class Suspect:
    profile: Profile
    reasons: tuple[Likeness, ...]


class Duplicates:
    """Says what a new patient is compared by, and lists suspects of one that there is."""

    def __init__(self, profiles: Profiles, practices: Practices, region: str) -> None:
        """``region``: of telephone numbers, where a practice has none."""
        self._profiles, self._practices, self._region = profiles, practices, region

    async def traits(self, patient: Profile, practice_id: PracticeId) -> Traits:
        """By what the practice would know the patient."""
        practice = await self._practices.find(practice_id)
        return Traits.of(patient, practice.region or self._region)

    async def shown(self, by: Principal, refused: DuplicatePatient) -> DuplicatePatient:
        """The refusal with those candidates whom the caller may see.

        Staff see every patient of their practice. Chatbots and admins see none.
        """
        if by.role is Role.STAFF:
            return refused
        if by.role is not Role.DENTIST:
            return DuplicatePatient()
        visible = [
            each
            for each in refused.candidates
            if await self._profiles.own_patient(by, PatientId(ProfileId(each.id)))
        ]
        return DuplicatePatient(tuple(visible))

    async def suspects(self, caller: Caller, patient_id: ProfileId) -> Sequence[Suspect]:
        """Patients whom the caller may see, and who may be the same person. Audited.

        For dentists and staff who see the patient. The most alike come first.
        """
        by = caller.principal
        if not by.works_at_practice or by.practice is None:
            raise Forbidden
        patient = await self._profiles.own_patient(by, PatientId(patient_id))
        if patient is None:
            raise NotFound(Role.PATIENT)
        traits = await self.traits(patient, by.practice)
        found = await self._profiles.alike(by, traits, by.practice)
        suspects = [
            Suspect(profile=each, reasons=reasons)
            for each in found
            if each.id != patient.id and (reasons := traits.likeness(each))
        ]
        suspects.sort(key=lambda each: (-len(each.reasons), each.profile.name, each.profile.id))
        shown = suspects[:SUSPECTS_MAX]
        await self._profiles.record_search(by, caller.request_id, len(shown))
        return shown
