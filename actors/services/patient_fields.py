"""What of a patient's record has rules of its own: the date of birth, and consents to messages."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from actors.domain.principal import Principal, Role
from actors.domain.profile import ConsentSource, Profile, check_date_of_birth
from actors.domain.refusals import Forbidden, ValidationFailed
from actors.services.requests import ConsentAnswers

_OF_PATIENTS = ("date_of_birth", "consent")


def answered(
    profile: Profile, answers: ConsentAnswers | None, by: Principal, now: datetime
) -> Profile:
    """The profile with what the patient answered now, as entered by the caller."""
    if answers is None:
        return profile
    consents = profile.message_consents.answered(
        email=answers.email,
        sms=answers.sms,
        at=now,
        source=answers.source or ConsentSource(by.created_via),
    )
    return replace(profile, consent=consents)


def with_answers(
    sent: Mapping[str, object], before: Profile, by: Principal, now: datetime
) -> Mapping[str, object]:
    """The fields of a profile that were sent, with consents in place of answers."""
    answers = sent.get("consent")
    if not isinstance(answers, ConsentAnswers):
        return sent
    return {**sent, "consent": answered(before, answers, by, now).consent}


def check_patient_fields(profile: Profile, now: datetime) -> None:
    """Raise ValidationFailed for a date of birth to come, and for what only patients have."""
    if profile.date_of_birth is not None:
        check_date_of_birth(profile.date_of_birth, now)
    for name in _OF_PATIENTS:
        if profile.role is not Role.PATIENT and getattr(profile, name) is not None:
            raise ValidationFailed.of(name, "only patients have this")


def check_own_change(before: Profile, after: Profile) -> None:
    """Raise Forbidden if patients change the date of birth by which others identify them."""
    if before.date_of_birth not in (None, after.date_of_birth):
        raise Forbidden("Only the practice may change a date_of_birth that is entered")
