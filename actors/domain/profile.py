"""Profiles of dentists, staff and patients; admins and chatbots have none."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.principal import Role
from actors.domain.refusals import ValidationFailed
from actors.domain.values import value

UNNAMED: Final = "Unnamed patient"
"""The name of a patient whose token has none, until they enter one."""

_FURTHEST_EAST: Final = timedelta(hours=14)
"""The local date that is first to come is that of UTC+14."""


class ConsentSource(StrEnum):
    """By whom a patient's answer about messages was entered."""

    PATIENT = "patient"
    CHATBOT = "chatbot"  # for the patient
    STAFF = "staff"
    DENTIST = "dentist"
    ADMIN = "admin"
    IMPORT = "import"


@value
class MessageConsent:
    """Whether a patient agreed to messages of one kind; without ``at`` they were not asked."""

    given: bool = False
    at: datetime | None = None
    source: ConsentSource | None = None


@value
class MessageConsents:
    email: MessageConsent = MessageConsent()
    sms: MessageConsent = MessageConsent()

    def answered(
        self, *, email: bool | None, sms: bool | None, at: datetime, source: ConsentSource
    ) -> "MessageConsents":
        """With the new answers; the same answer again keeps its time, ``None`` is no answer."""

        def answer(before: MessageConsent, given: bool | None) -> MessageConsent:
            if given is None or (before.at is not None and before.given == given):
                return before
            return MessageConsent(given=given, at=at, source=source)

        return MessageConsents(email=answer(self.email, email), sms=answer(self.sms, sms))


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
    date_of_birth: date | None = None
    """Of a patient. With a telephone number or e-mail address it identifies them."""
    language: str | None = None
    """For messages to this person; a tag of BCP 47."""
    consent: MessageConsents | None = None
    """Of a patient, to messages; ``None``: they were not asked."""
    merged_into: ProfileId | None = None
    """The patient who has what was this one's: both were the same person. Never active again."""
    version: int = 1

    @property
    def message_consents(self) -> MessageConsents:
        return self.consent or MessageConsents()


@value
class PublicCard:
    """The part of a dentist's profile that every signed-in user may see."""

    id: ProfileId
    name: str
    time_zone: str | None
    practice_id: PracticeId | None
    active: bool


def check_date_of_birth(day: date, now: datetime) -> None:
    """Raise ValidationFailed for a day that has not come anywhere yet."""
    if day > (now + _FURTHEST_EAST).date():
        raise ValidationFailed.of("date_of_birth", "must not be in the future")
