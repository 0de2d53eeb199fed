"""People: reading their profiles, auditing searches, and ending their connections."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Protocol

from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.issuers import IssuedSubject
from actors.domain.likeness import Traits
from actors.domain.principal import Principal
from actors.domain.profile import Profile
from actors.domain.sign_in import SessionId
from actors.domain.values import value

FOUND_MAX: Final = 500
"""People whom a search finds."""


@value
class ProfilePage:
    profiles: tuple[Profile, ...]
    total: int
    next_after: tuple[str, ProfileId] | None
    """Name and id of the last row, if there are more."""


class Profiles(Protocol):
    """Reads profiles.

    ``by_identity``, ``by_id``, ``adoptable`` and ``identified`` serve the hub itself, for instance
    to find the person of a token. ``dentists``, ``own_patient`` and ``search`` read with the
    caller's rights, and return only the fields that the caller may see. Raises StoreUnavailable.
    """

    async def by_identity(self, identity: IssuedSubject) -> Profile | None: ...

    async def by_id(self, profile_id: ProfileId) -> Profile | None: ...

    async def adoptable(self, email: str) -> Sequence[Profile]:
        """Active patients who never signed in and have this e-mail in any case; at most 2."""
        ...

    async def identified(
        self, contact: str, date_of_birth: date, *, region: str | None = None
    ) -> Sequence[Profile]:
        """Active patients with this telephone number or e-mail address, and date of birth.

        At most 2. ``region`` is the country of telephone numbers without a country code;
        ``None``: as set.
        """
        ...

    async def dentists(
        self, by: Principal, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        """All dentists, sorted by name and id, with their public fields.

        Patients and chatbots are shown those who are active.
        """
        ...

    async def own_patient(self, by: Principal, patient_id: PatientId) -> Profile | None:
        """The patient, if they belong to this dentist, or to the practice that the caller sees.

        They belong to a dentist who entered them, or with whom they booked or had or will have
        a visit; to a practice, if that holds for one of its dentists or they were entered or
        linked there. A booking that only others made and that was cancelled counts for neither.
        """
        ...

    async def search(
        self,
        by: Principal,
        text: str,
        *,
        limit: int,
        after: tuple[str, ProfileId] | None,
        region: str | None = None,
    ) -> ProfilePage:
        """Find patients whom a dentist or staff sees, audited.

        With a text the best match comes first (:mod:`actors.domain.patient_query`), at most
        ``FOUND_MAX``; without one all, by name and id. ``region`` is the country of telephone
        numbers without a country code, and of dates; ``None``: as set.
        """
        ...

    async def of_practice(
        self, by: Principal, *, entered: bool, after: ProfileId | None, limit: int
    ) -> Sequence[Profile]:
        """Patients of the practice of this staff, by id.

        ``entered``: those who were entered or linked there; else others, who were booked there.
        """
        ...

    async def record_export(self, by: Principal, request_id: str) -> None:
        """Audit that staff get the patients of their practice as a file."""
        ...

    async def alike(
        self, by: Principal, traits: Traits, practice_id: PracticeId
    ) -> Sequence[Profile]:
        """The practice's patients who may be the person with these traits.

        Only those who are the caller's own, as in ``own_patient``; by name and id.
        """
        ...

    async def record_search(self, by: Principal, request_id: str, found: int) -> None:
        """Audit a search: the principal and the number of results, never the text."""
        ...

    async def record_lookup(self, by: Principal, request_id: str, found: Profile | None) -> None:
        """Audit a look-up by two identifiers: who asked, and whom they found."""
        ...

    async def record_disconnect(self, by: Principal, request_id: str, person: Profile) -> None:
        """Audit that the connections of a person are being ended."""
        ...

    async def record_view(self, by: Principal, request_id: str, person: Profile) -> None:
        """Audit that the principal was shown a profile."""
        ...


class Connections(Protocol):
    """All live connections, of every protocol and at every node of the hub."""

    async def end(self, person: ProfileId) -> None:
        """End the connections of a person, and those of chatbots that act for them.

        Raises :class:`~actors.domain.refusals.Unavailable` if a node did not answer. The
        connections at all other nodes have been ended then, and the call can be repeated.
        """
        ...

    async def end_session(self, session: SessionId) -> None:
        """End the connections of a session, and accept its tokens no more.

        Raises Unavailable as ``end`` does.
        """
        ...

    async def recheck(self, person: ProfileId) -> None:
        """End those connections of a person that would not be admitted any more.

        Raises Unavailable as ``end`` does.
        """
        ...
