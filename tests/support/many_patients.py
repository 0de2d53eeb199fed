"""A hub with many patients at one practice and a few at another, and searches in both."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert

from actors.domain.ids import DentistId, PracticeId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from store.sql import schema
from store.sql.codec import profile_params
from store.transfer.maintenance import writing

FIRST = datetime(2027, 1, 4, tzinfo=UTC)
LARGE, SMALL = PracticeId("large"), PracticeId("small")
_DENTISTS = tuple(DentistId(ProfileId(f"d{n}")) for n in range(6))
_OF_SMALL = DentistId(ProfileId("e0"))
_ROWS_AT_ONCE = 10_000
_COMMON = 0.3
"""So many have the most common first name."""
_FIRST = """
    Anna Ben Clara David Elif Fatma Georg Hannah Ivan Jürgen Katharina Lukas Mia Noël Olga Paul
    Renée Sofia Tomasz Ulrike Viktor Wiebke Yasmin Zoë Marta Margarete Mehmet José
"""
_LAST = """
    Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer
    Richter Klein Wolf Schröder Neumann Schwarz Zimmermann O'Brien Yılmaz Kowalski Nguyễn Sørensen
    García Dvořák Novák Özdemir Łukasz
"""
_FIRST_NAMES, _LAST_NAMES = _FIRST.split(), _LAST.split()

DESK = Principal(
    role=Role.STAFF, subject="s", person=ProfileId("s"), practice=LARGE, calendars=_DENTISTS
)
SMALL_DESK = Principal(
    role=Role.STAFF, subject="t", person=ProfileId("t"), practice=SMALL, calendars=(_OF_SMALL,)
)
DENTIST = Principal(role=Role.DENTIST, subject="d0", person=ProfileId(_DENTISTS[0]), practice=LARGE)
SEARCHES: Mapping[str, str] = {
    "one letter": "m",
    "a common first name": "maria",
    "two common beginnings": "maria sch",
    "two letters": "m s",
    "a whole name": "Maria Zimmermann",
    "any order, no accents": "muller jurg",
    "spelt out": "Mueller",
    "the beginning of a number": "0176 12",
    "the whole number": "+49 (176) 1200345",
    "last digits": "0345",
    "an e-mail address": "p345@example.org",
    "a date of birth": "08.03.1980",
    "a name with a date": "maria 1980-03-08",
    "a name with a number": "mar 0176",
    "nobody": "zzzz",
    "no words": "%_'",
}


@dataclass(frozen=True, kw_only=True)
class ManyPatients:
    """``patients`` of the large practice, one in five of them booked; 10 of the small one."""

    patients: int

    def fill(self, owner_url: str) -> None:
        """``owner_url`` is of the login that may change the schema."""
        writing(owner_url, self._fill)

    def _fill(self, connection: Connection) -> None:
        for table, rows in (
            (schema.practices, map(_practice, (LARGE, SMALL))),
            (schema.profiles, map(profile_params, self._people())),
            (schema.practice_patients, self._members()),
            (schema.calendars, map(_calendar, (*_DENTISTS, _OF_SMALL))),
            (schema.appointment_types, iter([_KIND])),
            (schema.appointments, self._appointments()),
        ):
            while batch := list(islice(rows, _ROWS_AT_ONCE)):
                connection.execute(insert(table), batch)

    def _people(self) -> Iterator[Profile]:
        for dentist in (*_DENTISTS, _OF_SMALL):
            at = SMALL if dentist == _OF_SMALL else LARGE
            yield Profile(id=dentist, role=Role.DENTIST, name=f"Dr {dentist}", practice_id=at)
        for desk in (DESK, SMALL_DESK):
            assert desk.person
            yield Profile(id=desk.person, role=Role.STAFF, name="Desk", practice_id=desk.practice)
        chance = random.Random(17)  # the same people each time
        for n in range(self.patients + 10):
            yield _patient(n, chance)

    def _members(self) -> Iterator[dict[str, Any]]:
        for n in range(self.patients + 10):
            practice = LARGE if n < self.patients else SMALL
            member = {"practice_id": practice, "patient_id": f"p{n:06}"}
            yield member | {"source": "created", "since": FIRST}

    def _appointments(self) -> Iterator[dict[str, Any]]:
        for n in range(self.patients // 5):
            start = FIRST + (n // len(_DENTISTS)) * timedelta(minutes=30)
            yield _appointment(n, _DENTISTS[n % len(_DENTISTS)], n * 5, start)
        for n in range(3):  # who belongs to the small practice by this alone
            yield _appointment(-1 - n, _OF_SMALL, n * 5, FIRST - (n + 1) * timedelta(hours=1))


def _patient(n: int, chance: random.Random) -> Profile:
    first = "Maria" if chance.random() < _COMMON else chance.choice(_FIRST_NAMES)
    born = date(1930, 1, 1) + timedelta(days=chance.randrange(33_000))
    return Profile(
        id=ProfileId(f"p{n:06}"),
        role=Role.PATIENT,
        name=f"{first} {chance.choice(_LAST_NAMES)}",
        email=f"p{n}@example.org",
        phone=f"+49 176 12{n:05}",
        date_of_birth=date(1980, 3, 8) if n % 1_000 == 0 else born,
    )


def _practice(id_: PracticeId) -> dict[str, Any]:
    plain = {"name": id_, "time_zone": "Europe/Berlin", "region": "DE", "closures": "[]"}
    return plain | {"id": id_, "version": 1}


def _calendar(dentist: DentistId) -> dict[str, Any]:
    return {"dentist_id": dentist, "fence": 1, "schedule": "{}", "schedule_version": 1}


_KIND = {
    "id": "t",
    "name": "Check-up",
    "duration_minutes": 30,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 0,
    "version": 1,
}


def _appointment(n: int, dentist: DentistId, patient: int, start: datetime) -> dict[str, Any]:
    return {
        "id": f"a{n}",
        "dentist_id": dentist,
        "patient_id": f"p{patient:06}",
        "appointment_type_id": "t",
        "starts_at": start,
        "ends_at": start + timedelta(minutes=30),
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "status": "confirmed",
        "version": 1,
        "overbooked": False,
        "created_via": "patient",
        "created_at": FIRST,
        "updated_at": FIRST,
        "changed_by": "p",
        "on_behalf_of": "system",
    }
