"""People by id and by token subject, cached in memory (criterion 10.5).

Events invalidate the cache, so that requests need no query for the caller's profile.
"""

from actors.domain.channels import user_profile_channel
from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound
from actors.ports.events import EventRecord
from actors.ports.profiles import Profiles
from actors.services.cache import Cache

_PREFIX = user_profile_channel(ProfileId(""))


class Directory:
    """Looks people up for the hub itself, without rules of visibility."""

    def __init__(self, profiles: Profiles, *, limit: int = 10_000) -> None:
        self.people: Cache[ProfileId, Profile] = Cache(profiles.by_id, limit=limit)
        self.subjects: Cache[str, Profile] = Cache(profiles.by_subject, limit=limit)

    async def person(self, profile_id: ProfileId) -> Profile | None:
        return await self.people.get(profile_id)

    async def by_subject(self, subject: str) -> Profile | None:
        return await self.subjects.get(subject)

    async def patient(self, profile_id: ProfileId) -> PatientId:
        """The id as a patient's, or :class:`NotFound`."""
        profile = await self.person(profile_id)
        if profile is None or profile.role is not Role.PATIENT:
            raise NotFound("patient")
        return PatientId(profile.id)

    async def dentist(self, profile_id: ProfileId) -> DentistId:
        """The id as a dentist's, or :class:`NotFound`."""
        profile = await self.person(profile_id)
        if profile is None or profile.role is not Role.DENTIST:
            raise NotFound("dentist")
        return DentistId(profile.id)

    def forget(self, record: EventRecord) -> None:
        """Drop a cached profile when the relay publishes that it changed."""
        if record.type == "profile.updated" and record.channel.startswith(_PREFIX):
            self.drop(ProfileId(record.channel.removeprefix(_PREFIX)))

    def drop(self, profile_id: ProfileId) -> None:
        self.people.drop(profile_id)
        self.subjects.clear()
