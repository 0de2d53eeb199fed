"""By what a patient is recognised, and how two records may be of one person."""

from datetime import date
from enum import StrEnum
from typing import Self

from actors.domain.contact import email_key, phone_key, phone_keys
from actors.domain.profile import Profile
from actors.domain.text import without_accents
from actors.domain.values import value


class Likeness(StrEnum):
    """Why two records may be of one person."""

    PHONE = "phone"
    EMAIL = "email"
    NAME_AND_DATE_OF_BIRTH = "name_and_date_of_birth"
    NAME = "name"
    """And one of them has no date of birth. No reason to refuse a new patient."""


@value
class Traits:
    name: str
    """As :func:`name_key` has it."""
    exact_name: str
    """As it was entered: patients of this name are found who have no date of birth."""
    email_key: str | None
    phone_keys: tuple[str, ...]
    date_of_birth: date | None

    @classmethod
    def of(cls, patient: Profile, region: str) -> Self:
        """``region``: the country of telephone numbers without a country code; may be empty."""
        return cls(
            name=name_key(patient.name),
            exact_name=patient.name,
            email_key=email_key(patient.email) if patient.email else None,
            phone_keys=phone_keys(patient.phone, region) if patient.phone else (),
            date_of_birth=patient.date_of_birth,
        )

    def likeness(self, other: Profile) -> tuple[Likeness, ...]:
        """What the other patient has in common with these."""
        found = []
        if other.phone and phone_key(other.phone) in self.phone_keys:
            found.append(Likeness.PHONE)
        if self.email_key and other.email and email_key(other.email) == self.email_key:
            found.append(Likeness.EMAIL)
        if self.name and name_key(other.name) == self.name:
            dates = {self.date_of_birth, other.date_of_birth}
            if None in dates:
                found.append(Likeness.NAME)
            elif len(dates) == 1:
                found.append(Likeness.NAME_AND_DATE_OF_BIRTH)
        return tuple(found)


def name_key(name: str) -> str:
    """The words of a name in any order, without accents and case."""
    words = "".join(char if char.isalnum() else " " for char in without_accents(name))
    return " ".join(sorted(words.split()))
