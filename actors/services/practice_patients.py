"""What one practice keeps of a patient for itself: a remark, and since when they belong to it."""

from dataclasses import replace

from actors.domain.events import PracticePatientSaved
from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.practice import PracticePatient
from actors.domain.principal import Principal, Role
from actors.domain.refusals import NotFound
from actors.domain.rules import check_version
from actors.ports.commits import Reply
from actors.ports.practices import PracticeReads
from actors.ports.profiles import Profiles
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.records import Records, retried
from actors.services.requests import RemarkChange


class PracticePatients:
    """For the dentists and staff of the practice who may see the patient; NotFound for others."""

    def __init__(
        self, reads: PracticeReads, profiles: Profiles, directory: Directory, records: Records
    ) -> None:
        self._reads, self._profiles = reads, profiles
        self._directory, self._records = directory, records

    async def show(
        self, caller: Caller, practice_id: PracticeId, patient_id: ProfileId
    ) -> PracticePatient:
        await self._check_may_see(caller.principal, practice_id, patient_id)
        found = await self._reads.patient_of(practice_id, PatientId(patient_id))
        if found is None:
            raise NotFound(Role.PATIENT)
        return found

    async def change(
        self,
        caller: Caller,
        practice_id: PracticeId,
        patient_id: ProfileId,
        change: RemarkChange,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Replace the remark. Screens of the practice are told that the patient changed."""
        request = {
            "practice_id": practice_id,
            "patient_id": patient_id,
            "remark": change.remark,
            "version": expected_version,
        }
        key = self._records.key(caller, "practice:patient", request)

        async def save() -> Reply:
            before = await self.show(caller, practice_id, patient_id)
            check_version(expected_version, before.version)
            after = before
            if change.remark != before.remark:
                after = replace(before, remark=change.remark, version=before.version + 1)
            patient = await self._directory.person(patient_id, Role.PATIENT)
            event = PracticePatientSaved(before=before, after=after, patient=patient)
            return await self._records.save(caller, key, event, after)

        return await retried(expected_version, save)

    async def _check_may_see(
        self, by: Principal, practice_id: PracticeId, patient_id: ProfileId
    ) -> None:
        if by.works_at_practice and by.practice == practice_id:
            await self._directory.person(patient_id, Role.PATIENT)
            if await self._profiles.own_patient(by, PatientId(patient_id)) is not None:
                return
        raise NotFound(Role.PATIENT)
