"""Profiles: the caller's own, the dentists, the staff, and the patients of a practice."""

from dataclasses import replace

from actors.domain.commands import UNSET, Unset
from actors.domain.events import ProfileSaved
from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile, PublicCard
from actors.domain.refusals import DuplicatePatient, Forbidden, NotFound, ValidationFailed
from actors.domain.rules import shared_patient
from actors.ports.commits import Reply
from actors.ports.profiles import Connections, ProfilePage, Profiles
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.duplicates import Duplicates
from actors.services.patient_fields import (
    answered,
    check_own_change,
    check_patient_fields,
    with_answers,
)
from actors.services.practices import Practices
from actors.services.records import Records, edited, retried
from actors.services.requests import (
    NewProfile,
    PersonChange,
    ProfileChange,
    all_fields,
    sent_fields,
)

_RELIED_ON = ("email", "phone", "date_of_birth", "active")
"""Fields of a patient that one of several practices may not change alone."""
_ADDED = ("practice_id", "date_of_birth", "language", "consent", "allow_duplicate")
"""Fields of a new profile that older versions did not have."""


class People:
    """Shows, creates and changes profiles; searches patients."""

    def __init__(
        self,
        profiles: Profiles,
        directory: Directory,
        practices: Practices,
        records: Records,
        connections: Connections,
        duplicates: Duplicates,
    ) -> None:
        self._duplicates = duplicates
        self._connections, self._practices = connections, practices
        self._profiles, self._directory, self._records = profiles, directory, records

    async def me(self, caller: Caller) -> Profile:
        """One's own profile (criterion 4.6); admins and chatbots have none."""
        if caller.principal.person is None:
            raise NotFound("profile")
        return await self._directory.person(caller.principal.person)

    async def update_me(
        self, caller: Caller, change: ProfileChange, *, expected_version: int | None = None
    ) -> Reply:
        """Change what was sent of one's own profile (criterion 3.2)."""
        request = {**sent_fields(change), "version": expected_version}
        key = self._records.key(caller, "profile:update", request)
        me = (await self.me(caller)).id

        async def save() -> Reply:
            before = await self._profiles.by_id(me)
            if before is None or before.merged_into:
                raise NotFound("profile")
            after = self._edited(caller.principal, before, change, expected_version)
            check_own_change(before, after)
            event = ProfileSaved(before=before, after=after)
            return await self._records.save(caller, key, event, after)

        reply = await retried(expected_version, save)
        self._directory.drop(me)
        return reply

    async def view(self, caller: Caller, profile_id: ProfileId) -> Profile | PublicCard:
        """A dentist's public card, one's own profile, a patient of the practice, a colleague.

        An admin sees the profiles of those who work at a practice. Who was merged is shown as
        the survivor.
        """
        by = caller.principal
        profile = await self._directory.current(profile_id)
        if by.role is Role.ADMIN and profile.role is not Role.PATIENT:
            return profile
        if profile.role is Role.DENTIST:
            return _card(profile)
        if by.person == profile.id:
            return profile
        if profile.role is Role.STAFF and by.practice and by.practice == profile.practice_id:
            return _card(profile)
        own = None
        if by.works_at_practice and profile.role is Role.PATIENT:
            own = await self._profiles.own_patient(by, PatientId(profile.id))
        if own is None:
            raise NotFound("profile")
        return own

    async def create(self, caller: Caller, new: NewProfile) -> Reply:
        """Someone new, by an admin; a patient also by a dentist, staff or chatbot.

        A dentist or staff works at the practice that is named, or at the only one. A patient
        belongs to the practice of who enters them, else likewise.
        """
        by, request = caller.principal, all_fields(new)
        for name in _ADDED:
            if not request[name]:
                del request[name]  # as in keys of versions without it
        _check_may_create(by, new)
        now = self._records.clock.now()
        profile = Profile(
            id=ProfileId(self._records.new_id()),
            role=new.role,
            name=new.name,
            subject=new.subject,
            email=new.email,
            phone=new.phone,
            time_zone=new.time_zone,
            created_by=by.person if by.works_at_practice else None,
            date_of_birth=new.date_of_birth,
            language=new.language,
        )
        profile = answered(profile, new.consent, by, now)
        check_patient_fields(profile, now)
        joins = known = None
        if new.role is Role.PATIENT:
            joins = await self._entered_at(by, new.practice_id)
            if joins and not new.allow_duplicate:
                known = await self._duplicates.traits(profile, joins)
        else:
            profile = await self._employed(profile, new.practice_id)
        key = self._records.key(caller, "profile:create", request)
        event = ProfileSaved(before=None, after=profile, joins=joins, unless_known=known)
        try:
            reply = await self._records.save(caller, key, event, profile)
        except DuplicatePatient as refused:
            raise await self._duplicates.shown(by, refused) from None
        self._forget(profile)
        return reply

    async def _entered_at(self, by: Principal, practice_id: PracticeId | None) -> PracticeId | None:
        """The practice of a new patient; without a name the caller's, or the only one."""
        if practice_id is not None:
            return (await self._practices.find(practice_id)).id
        return by.practice or await self._practices.only_one()

    async def _employed(self, profile: Profile, practice_id: PracticeId | None) -> Profile:
        """The dentist or staff with their practice, and its time zone unless they have one."""
        practice = await self._practices.workplace(practice_id)
        if practice is None:
            if profile.role is Role.STAFF:
                raise ValidationFailed.of("practice_id", "staff need a practice: create one first")
            return profile
        zone = profile.time_zone or (practice.time_zone if profile.role is Role.DENTIST else None)
        return replace(profile, practice_id=practice.id, time_zone=zone)

    async def update(
        self,
        caller: Caller,
        profile_id: ProfileId,
        change: PersonChange,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Change someone else's profile: anyone's by an admin, patients also by staff.

        Staff who are moved to another practice, and anyone who is not active any more, have lost
        their rights at every node when this returns. A dentist stays at the practice. Raises
        Unavailable if a node did not answer: the change is made then, and the call can be repeated.
        """
        by, sent = caller.principal, sent_fields(change)
        if by.role not in (Role.ADMIN, Role.STAFF):
            raise Forbidden
        if by.role is not Role.ADMIN and change.practice_id is not UNSET:
            raise Forbidden("Only an admin may change a person's practice")
        if not isinstance(change.practice_id, Unset):
            await self._practices.workplace(change.practice_id)
        key = self._records.key(
            caller, "profile:change", {**sent, "id": profile_id, "version": expected_version}
        )

        async def save() -> tuple[Profile, Reply]:
            before = await self._profiles.by_id(profile_id)
            if before is None or before.merged_into or not await self._may_change(by, before):
                raise NotFound("profile")
            _check_workplace(before, change)
            after = self._edited(by, before, change, expected_version)
            only_of = await self._only_of(by, before, after)
            event = ProfileSaved(before=before, after=after, only_of=only_of)
            reply = await self._records.save(caller, key, event, after)
            if after == before and by.role is Role.ADMIN:
                await self._profiles.record_view(by, caller.request_id, before)
            return before, reply

        before, reply = await retried(expected_version, save)
        self._forget(before)
        if not isinstance(change.practice_id, Unset):
            self._practices.calendar_cache.drop(change.practice_id)  # a dentist's first practice
        await self._connections.recheck(profile_id)
        return reply

    def _edited(
        self, by: Principal, before: Profile, change: ProfileChange, expected_version: int | None
    ) -> Profile:
        now = self._records.clock.now()
        sent = with_answers(sent_fields(change), before, by, now)
        after = edited(before, sent, expected_version)
        check_patient_fields(after, now)
        return after

    async def _may_change(self, by: Principal, person: Profile) -> bool:
        if by.role is Role.ADMIN:
            return True
        if person.role is not Role.PATIENT or by.practice is None:
            return False
        return await self._practices.has_patient(by.practice, PatientId(person.id))

    async def _only_of(self, by: Principal, before: Profile, after: Profile) -> PracticeId | None:
        """The practice that alone must rely on the patient, for this change by its staff.

        Raises Forbidden if others do, too: who has the e-mail address of a patient may sign in
        as them. The commit checks again, because another practice may link the patient meanwhile.
        """
        same = all(getattr(before, each) == getattr(after, each) for each in _RELIED_ON)
        if same or by.practice is None:
            return None
        if await self._practices.is_shared(by.practice, PatientId(before.id)):
            raise shared_patient()
        return by.practice

    def _forget(self, profile: Profile) -> None:
        """Read the person, and the calendars of their practice, again."""
        self._directory.drop(profile.id)
        if profile.practice_id:
            self._practices.calendar_cache.drop(profile.practice_id)

    async def disconnect(self, caller: Caller, profile_id: ProfileId) -> None:
        """End every live connection of a person, by an admin; audited before it happens.

        A client whose token is still valid may connect again.
        """
        by = caller.principal
        if by.role is not Role.ADMIN:
            raise Forbidden
        profile = await self._directory.person(profile_id)
        await self._profiles.record_disconnect(by, caller.request_id, profile)
        await self._connections.end(profile.id)

    async def dentists(
        self, caller: Caller, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        return await self._profiles.dentists(caller.principal, limit=limit, after=after)

    async def patients(
        self, caller: Caller, text: str, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        """The patients whom a dentist or staff sees. Audited."""
        by = caller.principal
        if not by.works_at_practice:
            raise Forbidden
        region = await self._practices.region(by.practice)
        page = await self._profiles.search(by, text, limit=limit, after=after, region=region)
        await self._profiles.record_search(by, caller.request_id, len(page.profiles))
        return page


def _check_may_create(by: Principal, new: NewProfile) -> None:
    if new.role not in (Role.DENTIST, Role.STAFF, Role.PATIENT):
        raise ValidationFailed.of("role", "must be dentist, staff or patient")
    if by.role is Role.ADMIN:
        return
    if new.role is not Role.PATIENT or not (by.works_at_practice or by.role is Role.CHATBOT):
        raise Forbidden
    if new.subject is not None:
        raise Forbidden("Only an admin may connect a profile with a token's subject")
    if new.practice_id not in (None, by.practice):
        raise Forbidden("Only an admin may name another practice")


def _check_workplace(before: Profile, change: PersonChange) -> None:
    """Raise ValidationFailed for a patient, and for a dentist who works at another practice.

    The staff of a practice may see and change all that belongs to its calendars. So a calendar
    does not move: its visits, events and audit records are the practice's.
    """
    if change.practice_id is UNSET:
        return
    if before.role is Role.PATIENT:
        raise ValidationFailed.of("practice_id", "a patient works at no practice")
    if before.role is Role.DENTIST and before.practice_id not in (None, change.practice_id):
        raise ValidationFailed.of(
            "practice_id",
            "a dentist stays at the practice: end this profile with active = false and enter"
            " them at the other one",
        )


def _card(profile: Profile) -> PublicCard:
    return PublicCard(
        id=profile.id,
        name=profile.name,
        time_zone=profile.time_zone,
        practice_id=profile.practice_id,
        active=profile.active,
    )
