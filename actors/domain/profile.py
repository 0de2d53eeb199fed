"""Profiles of dentists and patients; admins and chatbots have none."""

from actors.domain.ids import ProfileId
from actors.domain.principal import Role
from actors.domain.values import value


@value
class Profile:
    id: ProfileId
    role: Role
    """Dentist or patient."""
    name: str
    subject: str | None = None
    """The ``sub`` of this person's tokens; ``None`` for a patient entered by the clinic."""
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    """IANA name; a dentist's schedule starts with it."""
    created_by: ProfileId | None = None
    """The dentist who entered this patient, if one did."""
    version: int = 1


@value
class PublicCard:
    """The part of a dentist's profile that every signed-in user may see."""

    id: ProfileId
    name: str
    time_zone: str | None
