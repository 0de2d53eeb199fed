"""Reads of people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.principal import Principal
from actors.domain.profile import Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfilePage:
    profiles: tuple[Profile, ...]
    total: int
    next_after: tuple[str, ProfileId] | None
    """(name, id) of the last row."""
    own: frozenset[ProfileId] = frozenset()
    """In a search: whose contact data the searching dentist may see, too."""


class Profiles(Protocol):
    """Reads of people. ``by_subject``, ``adoptable`` and ``by_id`` serve the hub itself
    (who is this token, does this person exist); ``dentists``, ``own_patient`` and
    ``search`` read as the caller, and show of a person what the caller may see.
    """

    async def by_subject(self, subject: str) -> Profile | None: ...

    async def by_id(self, profile_id: ProfileId) -> Profile | None: ...

    async def adoptable(self, email: str) -> Sequence[Profile]:
        """Patients without a subject that have this e-mail (case-insensitive), at most 2."""
        ...

    async def dentists(
        self, by: Principal, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        """Every dentist, by name then id; of each what is public."""
        ...

    async def own_patient(self, dentist_id: DentistId, patient_id: PatientId) -> Profile | None:
        """The patient, if they are this dentist's: any appointment confirmed or later,
        or entered by this dentist."""
        ...

    async def search(
        self,
        dentist_id: DentistId | None,
        text: str,
        *,
        limit: int,
        after: tuple[str, ProfileId] | None,
    ) -> ProfilePage:
        """A dentist's own patients whose name, e-mail or phone contains ``text``
        (case-insensitive; empty: all of them), and any patient whose e-mail or phone is
        exactly ``text``; with ``dentist_id=None`` only the exact ones. By name then id."""
        ...

    async def record_search(self, by: Principal, request_id: str, found: int) -> None:
        """Audit a search of people: who searched and how many were found, never the text."""
        ...

    async def record_disconnect(self, by: Principal, request_id: str, person: Profile) -> None:
        """Audit that somebody's connections are being ended: who did it, and whose."""
        ...
