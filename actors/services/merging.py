"""Merges two records of one patient."""

from dataclasses import replace

from actors.domain.announcements import SurvivorBody
from actors.domain.events import PatientsMerged, ProfileSaved
from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.profile import UNNAMED, Profile
from actors.domain.refusals import Forbidden, MergeConflict, NotFound, ValidationFailed
from actors.domain.rules import shared_patient
from actors.ports.commits import Reply
from actors.ports.practices import PracticeReads
from actors.ports.profiles import Connections
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.practices import Practices
from actors.services.records import Records, retried

_FILLED = ("email", "phone", "date_of_birth", "language", "time_zone")
"""Fields that the survivor gets where it has none."""


class Merging:
    """Makes one patient of two, by the staff of their only practice, or by an admin."""

    def __init__(
        self,
        directory: Directory,
        practices: Practices,
        reads: PracticeReads,
        records: Records,
        connections: Connections,
    ) -> None:
        self._directory, self._practices, self._reads = directory, practices, reads
        self._records, self._connections = records, connections

    async def merge(self, caller: Caller, merged_id: ProfileId, into: ProfileId) -> Reply:
        """Move everything of one patient to the survivor; once more changes nothing.

        The connections of the merged person have ended at every node when this returns. Raises
        MergeConflict; Unavailable if a node did not answer: the merge is made then, and the call
        can be repeated.
        """
        by = caller.principal
        if by.role not in (Role.ADMIN, Role.STAFF):
            raise Forbidden
        request = {"id": merged_id, "into": into}
        key = self._records.key(caller, "patient:merge", request)

        async def save() -> tuple[ProfileId, Reply]:
            for each in (merged_id, into):  # read again: a conflict means that they changed
                self._directory.drop(each)
            event = await self._decided(by, merged_id, into)
            reply = SurvivorBody(profile=event.after)
            return event.after.id, await self._records.save(caller, key, event, reply)

        survivor, reply = await retried(None, save)
        for each in (merged_id, survivor):
            self._directory.drop(each)
            await self._connections.recheck(each)
        return reply

    async def _decided(
        self, by: Principal, merged_id: ProfileId, into: ProfileId
    ) -> PatientsMerged | ProfileSaved:
        """What is to be saved; an unchanged survivor if they were merged before."""
        merged = await self._patient(by, merged_id)
        survivor = await self._patient(by, into)
        if merged.id != merged_id:
            if merged.id == survivor.id:
                return ProfileSaved(before=survivor, after=survivor)
            raise MergeConflict("the first one was merged into another one already")
        if merged.id == survivor.id:
            raise ValidationFailed.of("into", "is the same patient")
        if not survivor.active:
            raise ValidationFailed.of("into", "is not active any more")
        if merged.subject and survivor.subject:
            raise MergeConflict("both sign in with an account of their own")
        if merged.subject and not merged.active:
            raise MergeConflict("the first one signs in, and is not active any more")
        dentists = await self._reads.calendars_of(PatientId(merged.id))
        await self._check_only_here(by, merged, survivor)
        return PatientsMerged(
            merged=merged,
            before=survivor,
            after=_filled(survivor, merged),
            dentists=dentists,
            practices=await self._practices_of(merged),
            only_of=by.practice,
        )

    async def _patient(self, by: Principal, patient_id: ProfileId) -> Profile:
        """The patient, or the survivor whom they were merged into; NotFound if not the caller's."""
        profile = await self._directory.current(patient_id, Role.PATIENT)
        patient = PatientId(profile.id)
        if by.practice and not await self._practices.has_patient(by.practice, patient):
            raise NotFound(Role.PATIENT)
        return profile

    async def _check_only_here(self, by: Principal, *patients: Profile) -> None:
        """Raise Forbidden if staff would change what others, or a patient, rely on.

        Others are another practice, or a dentist who works at none.
        """
        if by.practice is None:
            return
        for each in patients:
            patient = PatientId(each.id)
            elsewhere = {*await self._reads.calendars_of(patient)} - {*by.calendars}
            if elsewhere or await self._practices.is_shared(by.practice, patient):
                raise shared_patient("merge a patient")

    async def _practices_of(self, merged: Profile) -> tuple[PracticeId, ...]:
        patient = PatientId(merged.id)
        every = [each.id for each in await self._practices.every()]
        return tuple([each for each in every if await self._practices.has_patient(each, patient)])


def _filled(survivor: Profile, merged: Profile) -> Profile:
    """The survivor with what only the merged person has, as a new version."""
    missing = [each for each in _FILLED if getattr(survivor, each) is None]
    filled = {each: getattr(merged, each) for each in missing}
    if survivor.name == UNNAMED:
        filled["name"] = merged.name
    subject = survivor.subject or merged.subject
    return replace(survivor, **filled, subject=subject, version=survivor.version + 1)
