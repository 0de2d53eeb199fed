"""A patient's consent: a party may act for them with a chatbot's service token."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NewType

from actors.domain.ids import PatientId
from actors.domain.principal import Principal
from actors.domain.values import value

ConsentId = NewType("ConsentId", str)

CONSENTS_MAX: Final = 50
"""Parties that one patient has consented to, or ended."""


@value
class Consent:
    """One for each patient and party; an ended one stays, and refuses the party."""

    id: ConsentId
    patient_id: PatientId
    party: str
    """``chatbot:`` and the subject of the chatbot's token."""
    given_at: datetime
    given_by: str
    """Role and subject of the patient, dentist or admin who recorded it."""
    expires_at: datetime
    ended_at: datetime | None = None
    version: int = 1


def allows(consents: Iterable[Consent], party: str, now: datetime, *, by_default: bool) -> bool:
    """Whether the party may act now; ``by_default`` decides where no consent was recorded."""
    for consent in consents:
        if consent.party == party:
            if consent.ended_at is not None:
                return False
            if now < consent.expires_at:
                return True
    return by_default


def has_service_token(principal: Principal) -> bool:
    """Whether a chatbot acts with its own token, and not with one that the patient was issued."""
    return principal.acting is not None and principal.acting == principal.subject
