"""Finds a patient who is not yet of the practice, by two identifiers that match one person."""

from typing import Protocol

from actors.domain.principal import Role
from actors.domain.profile import Profile, check_date_of_birth
from actors.domain.refusals import Forbidden
from actors.ports.clock import Clock
from actors.ports.profiles import Profiles
from actors.services.caller import Caller
from actors.services.practices import Practices
from actors.services.requests import PatientIdentifiers


class LookupLimit(Protocol):
    """Counts the look-ups of each person, found or not."""

    def take(self, scope: str) -> None:
        """Raises :class:`~actors.domain.refusals.RateLimited` above the limit."""


class PatientLookups:
    """By dentists and staff, and by a chatbot that acts for no patient; audited each time."""

    def __init__(
        self,
        profiles: Profiles,
        practices: Practices,
        clock: Clock,
        *,
        people: LookupLimit,
        chatbots: LookupLimit,
    ) -> None:
        self._profiles, self._practices, self._clock = profiles, practices, clock
        self._people, self._chatbots = people, chatbots

    async def find(self, caller: Caller, identifiers: PatientIdentifiers) -> Profile | None:
        """The one active patient who has both, or ``None``."""
        by = caller.principal
        if by.role is Role.CHATBOT:
            self._chatbots.take(by.scope)
        elif by.works_at_practice:
            self._people.take(by.scope)
        else:
            raise Forbidden
        check_date_of_birth(identifiers.date_of_birth, self._clock.now())
        region = await self._practices.region(by.practice)
        found = await self._profiles.identified(
            identifiers.contact, identifiers.date_of_birth, region=region
        )
        one = found[0] if len(found) == 1 else None
        await self._profiles.record_lookup(by, caller.request_id, one)
        return one
