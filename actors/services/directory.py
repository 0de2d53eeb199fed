"""People by id and by what their tokens name, cached in memory (criterion 10.5).

Events invalidate the cache, so that requests need no query for the caller's profile.
"""

from collections.abc import Sequence

from actors.domain.channels import USER_PROFILE_PREFIX
from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.issuers import IssuedSubject
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound
from actors.ports.events import EventRecord
from actors.ports.profiles import Profiles
from actors.services.cache import Cache

_CHANGES = frozenset({"profile.updated", "patient.merged"})


class Directory:
    """Looks people up for the hub itself, without rules of visibility."""

    def __init__(self, profiles: Profiles) -> None:
        self.people: Cache[ProfileId, Profile] = Cache(profiles.by_id)
        self.identities: Cache[IssuedSubject, Profile] = Cache(profiles.by_identity)

    async def person(self, profile_id: ProfileId, role: Role | None = None) -> Profile:
        """Raises :class:`NotFound`, also if the person does not have the given role."""
        profile = await self.people.get(profile_id)
        if profile is None or role not in (None, profile.role):
            raise NotFound(role or "profile")
        return profile

    async def current(self, profile_id: ProfileId, role: Role | None = None) -> Profile:
        """The person, or the survivor whom they were merged into; a survivor may be, too."""
        profile = await self.person(profile_id, role)
        while profile.merged_into:  # ends: who was merged is no survivor of another one later
            profile = await self.person(profile.merged_into)
        return profile

    async def patient(self, profile_id: ProfileId) -> PatientId:
        """The id of an active patient, who may be the survivor of the one that is named.

        Raises :class:`NotFound`.
        """
        profile = await self.current(profile_id, Role.PATIENT)
        if not profile.active:
            raise NotFound(Role.PATIENT)
        return PatientId(profile.id)

    async def dentist(self, profile_id: ProfileId) -> DentistId:
        """The id as a dentist's, or :class:`NotFound`."""
        cached = self.people.cached(profile_id)
        if cached is not None and cached.role is Role.DENTIST:
            return DentistId(cached.id)
        return DentistId((await self.person(profile_id, Role.DENTIST)).id)

    def forget(self, records: Sequence[EventRecord]) -> None:
        """Drop cached profiles when the relay publishes that they changed."""
        for record in records:
            if record.type in _CHANGES and record.channel.startswith(USER_PROFILE_PREFIX):
                self.drop(ProfileId(record.channel.removeprefix(USER_PROFILE_PREFIX)))

    def drop(self, profile_id: ProfileId) -> None:
        self.people.drop(profile_id)
        self.identities.clear()
