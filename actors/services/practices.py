"""Practices: read by all users, founded by admins, closed for a day by their staff."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from actors.domain.announcements import LinkedBody
from actors.domain.channels import PRACTICE_PREFIX
from actors.domain.events import PatientLinked, PracticeSaved
from actors.domain.ids import DentistId, PatientId, PracticeId, ProfileId
from actors.domain.practice import DentistsSee, Practice
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, NotFound, ValidationFailed
from actors.domain.rules import check_version
from actors.ports.commits import Reply
from actors.ports.events import EventRecord
from actors.ports.practices import PracticeReads
from actors.services.cache import Cache
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.records import Records, retried
from actors.services.requests import NewPractice, PracticeChange, all_fields, sent_fields

_ALL = "all"
LINKED_WITHIN = timedelta(hours=1)
"""How long someone who looked a patient up may link them to the practice."""
_BY_STAFF = frozenset({"phone", "closures"})


class Practices:
    """Lists, creates and changes practices, and finds the calendars of each."""

    def __init__(
        self,
        reads: PracticeReads,
        directory: Directory,
        records: Records,
        *,
        dentists_see: str = "",
    ) -> None:
        """``dentists_see``: for all practices; empty: as each of them has it."""

        async def load(_: str) -> tuple[Practice, ...]:
            return tuple(await reads.every())

        async def is_member(key: tuple[PracticeId, PatientId]) -> bool | None:
            return await reads.has_patient(*key) or None

        self._reads, self._directory, self._records = reads, directory, records
        self._dentists_see = dentists_see
        self.cache: Cache[str, tuple[Practice, ...]] = Cache(load, limit=1)
        self.member_cache: Cache[tuple[PracticeId, PatientId], bool] = Cache(is_member)
        self.calendar_cache: Cache[PracticeId, tuple[DentistId, ...]] = Cache(reads.dentists_at)

    async def every(self) -> tuple[Practice, ...]:
        """By name and id."""
        return await self.cache.get(_ALL) or ()

    async def find(self, practice_id: PracticeId) -> Practice:
        """One practice, or :class:`NotFound`."""
        return _find(await self.every(), practice_id)

    async def calendars(self, practice_id: PracticeId) -> tuple[DentistId, ...]:
        """The dentists who work there, by id."""
        return await self.calendar_cache.get(practice_id) or ()

    async def colleagues(self, practice_id: PracticeId) -> tuple[DentistId, ...]:
        """The dentists whose patients each dentist of the practice sees; none: their own only."""
        if self._sees_all(await self.every(), practice_id):
            return await self.calendars(practice_id)
        return ()

    def known_colleagues(self, practice_id: PracticeId) -> tuple[DentistId, ...] | None:
        """The same from memory; ``None``: look them up."""
        practices = self.cache.cached(_ALL)
        if practices is None:
            return None
        if self._sees_all(practices, practice_id):
            return self.calendar_cache.cached(practice_id)
        return ()

    def _sees_all(self, practices: Sequence[Practice], practice_id: PracticeId) -> bool:
        practice = _find(practices, practice_id)
        return (self._dentists_see or practice.dentists_see) == DentistsSee.PRACTICE

    async def has_patient(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        """Whether the patient belongs to the practice; that does not end, so it is cached."""
        return await self.member_cache.get((practice_id, patient_id)) or False

    async def is_shared(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        """Whether others rely on the patient's record, too.

        That is another practice; or the patient, who was linked here and never booked.
        """
        others = [each.id for each in await self.every() if each.id != practice_id]
        if any([await self.has_patient(each, patient_id) for each in others]):
            return True
        return await self._reads.is_only_linked(practice_id, patient_id)

    async def region(self, practice_id: PracticeId | None) -> str | None:
        """The country of telephone numbers without a country code, if the practice has one."""
        return next((each.region for each in await self.every() if each.id == practice_id), None)

    async def only_one(self) -> PracticeId | None:
        """The practice, where there is exactly one."""
        practices = await self.every()
        return practices[0].id if len(practices) == 1 else None

    async def workplace(self, practice_id: PracticeId | None) -> Practice | None:
        """The practice of this id, or without one the only practice that there is, if any.

        Raises ValidationFailed for an unknown id, and where there are several to choose from.
        """
        practices = await self.every()
        if practice_id is None:
            if len(practices) > 1:
                raise ValidationFailed.of("practice_id", "is required: there are several practices")
            return practices[0] if practices else None
        try:
            return _find(practices, practice_id)
        except NotFound:
            raise ValidationFailed.of("practice_id", "there is no such practice") from None

    async def create(self, caller: Caller, new: NewPractice) -> Reply:
        if caller.principal.role is not Role.ADMIN:
            raise Forbidden
        practice = Practice(id=PracticeId(self._records.new_id()), **all_fields(new))  # type: ignore[arg-type]  # it has the fields of a practice
        reply = await self._records.save(
            caller,
            self._records.key(caller, "practice:create", all_fields(new)),
            PracticeSaved(before=None, after=practice),
            practice,
        )
        self.cache.clear()
        return reply

    async def change(
        self,
        caller: Caller,
        practice_id: PracticeId,
        change: PracticeChange,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Change what was sent. No booking that is acknowledged later lies in a new closure."""
        _check_may_change(caller.principal, practice_id, sent_fields(change))
        request = {**sent_fields(change), "id": practice_id, "version": expected_version}
        key = self._records.key(caller, "practice:update", request)

        async def save() -> Reply:
            before = _find(await self._reads.every(), practice_id)
            check_version(expected_version, before.version)
            after = replace(before, **sent_fields(change))  # type: ignore[arg-type]  # fields of a practice
            if after != before:
                after = replace(after, version=before.version + 1)
            dentists = await self._reads.dentists_at(practice_id)
            event = PracticeSaved(before=before, after=after, dentists=dentists)
            return await self._records.save(caller, key, event, after)

        reply = await retried(expected_version, save)
        self.cache.clear()
        return reply

    async def link(self, caller: Caller, practice_id: PracticeId, patient_id: ProfileId) -> Reply:
        """Make a patient whom the hub knows one of the practice; by its dentists and staff.

        The reply has no more than the name. Each call is audited; the first one is announced to
        the patient. Raises NotFound unless the caller has just found the patient by both
        identifiers, or the patient belongs to the practice already.
        """
        by = caller.principal
        if not by.works_at_practice or by.practice != practice_id:
            raise Forbidden
        patient = PatientId(await self._directory.patient(patient_id))
        profile = await self._directory.person(patient)
        request = {"practice_id": practice_id, "patient_id": patient_id}
        known = await self.has_patient(practice_id, patient)
        since = self._records.clock.now() - LINKED_WITHIN
        if not known and not await self._reads.has_looked_up(by, patient, since):
            raise NotFound(Role.PATIENT)
        event = PatientLinked(practice_id=practice_id, patient=profile, is_new=not known)
        key = self._records.key(caller, "practice:link", request)
        reply = LinkedBody(practice_id=practice_id, patient_id=patient, name=profile.name)
        return await self._records.save(caller, key, event, reply)

    def clear(self) -> None:
        """Read everything again that may have changed unnoticed."""
        self.cache.clear()
        self.calendar_cache.clear()

    def forget(self, records: Sequence[EventRecord]) -> None:
        """Drop what is cached when the relay publishes that it changed."""
        for record in records:
            if record.type == "practice.updated":
                self.cache.clear()
            elif record.type == "people.updated":
                self.calendar_cache.drop(PracticeId(record.channel.removeprefix(PRACTICE_PREFIX)))


def _check_may_change(by: Principal, practice_id: PracticeId, sent: Mapping[str, object]) -> None:
    if by.role is Role.ADMIN:
        return
    if by.role is not Role.STAFF or by.practice != practice_id:
        raise Forbidden
    if not _BY_STAFF.issuperset(sent):
        raise Forbidden("Staff may change only the phone and the closures")


def _find(practices: Sequence[Practice], practice_id: PracticeId) -> Practice:
    for practice in practices:
        if practice.id == practice_id:
            return practice
    raise NotFound("practice")
