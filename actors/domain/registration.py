"""Patients who register by themselves, with an address that a mailed code verifies."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from actors.domain.contact import email_key
from actors.domain.ids import ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.sign_in import WRONG_CODES_A_DAY, hashed
from actors.domain.values import value

WRONG_DATES_MAX: Final = 3
"""Wrong dates of birth after which a record is not taken over any more."""
REGISTERING: Final = Principal(role=Role.SYSTEM, subject="registration")
"""Of what happens before there is an account, in the audit."""
_DAY: Final = timedelta(days=1)


@value
class Newcomer:
    """What a person says of themselves."""

    name: str
    email: str
    phone: str
    date_of_birth: date
    language: str | None = None


@value
class Registration:
    """Waits for the code or the link that was sent to its address."""

    handle_hash: str
    """Of the browser's cookie, as that of the code."""
    person: Newcomer
    expires_at: datetime


@value
class AddressTries:
    """Wrong codes that were entered for registrations of an address, within a day."""

    address_hash: str
    since: datetime
    count: int

    def counted(self, now: datetime) -> "AddressTries":
        if now - self.since >= _DAY:
            return replace(self, since=now, count=1)
        return replace(self, count=self.count + 1)

    def is_too_many(self, now: datetime) -> bool:
        return now - self.since < _DAY and self.count >= WRONG_CODES_A_DAY


@value
class UnlinkedRecord:
    """A patient whom a practice entered with the address, and who never signed in."""

    id: ProfileId
    date_of_birth: date | None
    wrong_dates: int


def record_of(born: date, known: Sequence[UnlinkedRecord]) -> ProfileId | None:
    """The one record that a person with this date of birth may take over."""
    same = [each for each in known if each.date_of_birth == born]
    if len(same) != 1 or same[0].wrong_dates >= WRONG_DATES_MAX:
        return None
    return same[0].id


def missed(born: date, known: Sequence[UnlinkedRecord]) -> Sequence[UnlinkedRecord]:
    """The records for which the date is a wrong one."""
    if any(each.date_of_birth == born for each in known):
        return ()  # of a family with one address, each may take over the own record
    return [each for each in known if each.date_of_birth is not None]


def address_hash(email: str) -> str:
    """One for all ways to write the address."""
    return hashed((email_key(email) or email).encode())
