"""Profiles: the caller's own, the dentists, a dentist's patients."""

from actors.domain.events import ProfileSaved
from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.principal import Role
from actors.domain.profile import Profile, PublicCard
from actors.domain.refusals import Forbidden, NotFound, ValidationFailed
from actors.ports.commits import Reply
from actors.ports.profiles import Connections, ProfilePage, Profiles
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.records import Records, edited, retried
from actors.services.requests import NewProfile, ProfileChange, all_fields, sent_fields


class People:
    """Shows, creates and changes profiles; searches patients."""

    def __init__(
        self,
        profiles: Profiles,
        directory: Directory,
        records: Records,
        connections: Connections,
    ) -> None:
        self._connections = connections
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
            if before is None:
                raise NotFound("profile")
            after = edited(before, change, expected_version)
            event = ProfileSaved(before=before, after=after)
            return await self._records.save(caller, key, event, after)

        reply = await retried(expected_version, save)
        self._directory.drop(me)
        return reply

    async def view(self, caller: Caller, profile_id: ProfileId) -> Profile | PublicCard:
        """A dentist's public card, one's own profile, or a dentist's own patient."""
        by = caller.principal
        profile = await self._directory.person(profile_id)
        if profile.role is Role.DENTIST:
            return PublicCard(id=profile.id, name=profile.name, time_zone=profile.time_zone)
        if by.person == profile.id:
            return profile
        own = None
        if by.is_staff and by.person is not None:
            own = await self._profiles.own_patient(DentistId(by.person), PatientId(profile.id))
        if own is None:
            raise NotFound("profile")
        return own

    async def create(self, caller: Caller, new: NewProfile) -> Reply:
        """A new dentist or patient: by an admin; a patient also by a dentist or chatbot."""
        by = caller.principal
        if new.role not in (Role.DENTIST, Role.PATIENT):
            raise ValidationFailed.of("role", "must be dentist or patient")
        if by.role is not Role.ADMIN:
            may_enter = by.is_staff or by.role is Role.CHATBOT
            if not may_enter or new.role is not Role.PATIENT:
                raise Forbidden
            if new.subject is not None:
                raise Forbidden("Only an admin may connect a profile with a token's subject")
        profile = Profile(
            id=ProfileId(self._records.new_id()),
            role=new.role,
            name=new.name,
            subject=new.subject,
            email=new.email,
            phone=new.phone,
            time_zone=new.time_zone,
            created_by=by.person if by.is_staff else None,
        )
        return await self._records.save(
            caller,
            self._records.key(caller, "profile:create", all_fields(new)),
            ProfileSaved(before=None, after=profile),
            profile,
        )

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
        """A dentist's own patients; an exact phone or e-mail finds any patient. Audited."""
        by = caller.principal
        if not (by.is_staff or by.role is Role.CHATBOT):
            raise Forbidden
        dentist_id = DentistId(by.person) if by.is_staff and by.person else None
        page = await self._profiles.search(dentist_id, text, limit=limit, after=after)
        await self._profiles.record_search(by, caller.request_id, len(page.profiles))
        return page
