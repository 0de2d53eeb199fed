"""Tokens are matched with people by issuer and subject."""

from dataclasses import replace

import pytest

from actors.domain.events import ProfileSaved
from actors.domain.issuers import EXTERNAL, HUB
from actors.domain.profile import Profile
from actors.domain.refusals import ValidationFailed
from tests.contract.clinic import Clinic
from tests.contract.engines import Database
from tests.contract.test_merging import merged

PROVIDER = "https://login.example"


async def test_an_equal_subject_of_another_issuer_is_not_the_person(clinic: Clinic) -> None:
    pat = await clinic.add_patient(subject="1")
    find = clinic.store.profiles.by_identity
    assert await find((EXTERNAL, "1")) == pat
    assert await find((HUB, "1")) is None
    assert await find((PROVIDER, "1")) is None


async def test_one_subject_of_two_issuers_is_two_people(clinic: Clinic, database: Database) -> None:
    pat = await clinic.add_patient(subject="1")
    pia = await clinic.add_patient(subject="2")
    _insert(database, PROVIDER, "1", pia)
    find = clinic.store.profiles.by_identity
    assert await find((PROVIDER, "1")) == pia
    assert await find((EXTERNAL, "1")) == pat
    assert await find((EXTERNAL, "2")) == pia


async def test_a_replaced_subject_is_matched_no_more(clinic: Clinic, database: Database) -> None:
    pat = await clinic.add_patient(subject="old")
    renamed = replace(pat, subject="new", version=2)
    await clinic.save(ProfileSaved(before=pat, after=renamed))
    assert identities(database) == [(EXTERNAL, "new", pat.id)]
    nameless = replace(pat, subject=None, version=3)
    await clinic.save(ProfileSaved(before=renamed, after=nameless))
    assert identities(database) == []


async def test_a_used_subject_stays_with_its_person(clinic: Clinic, database: Database) -> None:
    pat = await clinic.add_patient(subject="1")
    pia = await clinic.add_patient()
    with pytest.raises(ValidationFailed):
        await clinic.save(ProfileSaved(before=pia, after=replace(pia, subject="1", version=2)))
    with pytest.raises(ValidationFailed):
        await clinic.add_patient(subject="1")
    assert identities(database) == [(EXTERNAL, "1", pat.id)]


async def test_identities_of_a_merged_patient_become_the_survivors(
    clinic: Clinic, database: Database
) -> None:
    eva = await clinic.add_patient(subject="3")
    pat, twin = await clinic.add_patient("Pat"), await clinic.add_patient("Pat")
    _insert(database, PROVIDER, "1", pat)
    await clinic.save(merged(pat, twin))
    assert identities(database) == [(EXTERNAL, "3", eva.id), (PROVIDER, "1", twin.id)]


async def test_a_patient_who_signs_in_is_not_adoptable(clinic: Clinic, database: Database) -> None:
    await clinic.add_patient(subject="3")
    pat = await clinic.add_patient("Pat", email="pat@example.org")
    find = clinic.store.profiles.adoptable
    assert await find("pat@example.org") == [pat]
    _insert(database, HUB, "chairside:1", pat)
    assert await find("pat@example.org") == []


def identities(database: Database) -> list[tuple[str, ...]]:
    return database.query("SELECT issuer, subject, profile_id FROM identities ORDER BY 1, 2")


def _insert(database: Database, issuer: str, subject: str, person: Profile) -> None:
    """Another issuer's subject, at the time of one that there is."""
    database.query(
        "INSERT INTO identities (issuer, subject, profile_id, created_at)"
        " SELECT ?, ?, ?, created_at FROM identities LIMIT 1",
        issuer,
        subject,
        person.id,
    )
