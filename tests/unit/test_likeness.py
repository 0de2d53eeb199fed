"""By what a patient is recognised."""

from dataclasses import replace
from datetime import date

import pytest

from actors.domain.ids import ProfileId
from actors.domain.likeness import Likeness, Traits, name_key
from actors.domain.principal import Role
from actors.domain.profile import Profile

BORN = date(1980, 3, 8)
PAT = Profile(
    id=ProfileId("p"),
    role=Role.PATIENT,
    name="Ána Müller-Weiß",
    phone="+43 1 234 5678",
    email="Ana@Example.org",
    date_of_birth=BORN,
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["phone", "email", "name_and_date_of_birth"]),
        ({"name": "weiss muller ANA", "phone": None, "email": None}, ["name_and_date_of_birth"]),
        ({"name": "X", "phone": "01 2345678", "email": None}, ["phone"]),
        ({"name": "X", "phone": None, "email": "ana@EXAMPLE.org"}, ["email"]),
        ({"phone": None, "email": None, "date_of_birth": None}, ["name"]),
        ({"phone": None, "email": None, "date_of_birth": date(1981, 3, 8)}, []),
        ({"name": "Ana Müller", "phone": "+43 1 234 5679", "email": "a@example.org"}, []),
    ],
)
def test_what_two_records_have_in_common(changes: dict[str, object], expected: list[str]) -> None:
    other = replace(PAT, **changes)  # type: ignore[arg-type]  # fields of a profile
    assert Traits.of(PAT, "AT").likeness(other) == tuple(map(Likeness, expected))


def test_nothing_is_no_name() -> None:
    nameless = replace(PAT, name="...", phone=None, email=None)
    assert Traits.of(nameless, "").likeness(replace(nameless, name="-")) == ()
    assert name_key("  ...  ") == ""
