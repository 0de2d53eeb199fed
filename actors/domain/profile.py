"""Profiles of dentists, staff and patients; admins and chatbots have none."""

from typing import Final

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.principal import Role
from actors.domain.values import value

UNNAMED: Final = "Unnamed patient"
"""The name of a patient whose token has none, until they enter one."""


@value
class Profile:
    id: ProfileId
    role: Role
    """Dentist, staff or patient."""
    name: str
    subject: str | None = None
    """The ``sub`` of this person's tokens; ``None`` for a patient entered by the clinic."""
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    """IANA name; a dentist's schedule starts with it."""
    created_by: ProfileId | None = None
    """The dentist or staff member who entered this patient, if one did."""
    practice_id: PracticeId | None = None
    """The practice at which a dentist or staff works."""
    active: bool = True
    """Someone who is not may do nothing, and nothing new can be booked with them or for them."""
    version: int = 1


@value
class PublicCard:
    """The part of a dentist's profile that every signed-in user may see."""

    id: ProfileId
    name: str
    time_zone: str | None
    practice_id: PracticeId | None
    active: bool
