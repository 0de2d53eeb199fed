"""Links to visits: stored with the attempt that sends them, found by their hash, revocable."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from actors.domain.refusals import VersionConflict
from actors.domain.sign_in import hashed
from store.settings import RetentionSettings
from tests.contract.clinic import HOUR, Clinic, booked, changed
from tests.contract.clinic import dentist as principal
from tests.contract.hooks import add_message, add_visit_link

TOKEN, OTHER = b"1" * 32, b"2" * 32


async def test_a_link_is_found_by_its_hash_until_it_is_forgotten(clinic: Clinic) -> None:
    dentist, patient = await clinic.add_dentist(), await clinic.add_patient()
    row = clinic.row(dentist, patient)
    await clinic.commit(await clinic.open(dentist), clinic.turn(booked(row)))
    link = await add_visit_link(clinic, await add_message(clinic, row), TOKEN)
    links = clinic.store.visit_links
    assert await links.of_token(hashed(TOKEN)) == link
    assert await links.of_token(hashed(OTHER)) is None
    assert link.expires_at == row.start + timedelta(days=1)
    await forget(clinic, link.expires_at)
    assert await links.of_token(hashed(TOKEN)) == link
    await forget(clinic, link.expires_at + timedelta(seconds=1))
    assert await links.of_token(hashed(TOKEN)) is None


async def forget(clinic: Clinic, now: datetime) -> None:
    await clinic.store.retention.forget(now, RetentionSettings())


async def test_no_link_without_its_attempt(clinic: Clinic) -> None:
    dentist, patient = await clinic.add_dentist(), await clinic.add_patient()
    row = clinic.row(dentist, patient)
    await clinic.commit(await clinic.open(dentist), clinic.turn(booked(row)))
    message = await add_message(clinic, row)
    with pytest.raises(VersionConflict):
        await add_visit_link(clinic, replace(message, version=7), TOKEN)
    assert await clinic.store.visit_links.of_token(hashed(TOKEN)) is None


async def test_all_links_of_a_visit_are_revoked_at_once(clinic: Clinic) -> None:
    dentist, patient = await clinic.add_dentist(), await clinic.add_patient()
    starts = (clinic.clock.now() + hours * HOUR for hours in (24, 26))
    rows = [clinic.row(dentist, patient, start) for start in starts]
    loaded = await clinic.open(dentist)
    for row in rows:
        await clinic.commit(loaded, clinic.turn(booked(row)))
    links, now = clinic.store.visit_links, clinic.clock.now()
    for number, row in enumerate((rows[0], rows[0], rows[1])):
        await add_visit_link(clinic, await add_message(clinic, row), bytes([number]) * 32)
    by = principal(dentist)
    assert await links.revoke(by, "r", rows[0].id, now) == 2
    assert await links.revoke(by, "r", rows[0].id, now) == 0, "they are revoked already"
    found = [await links.of_token(hashed(bytes([number]) * 32)) for number in range(3)]
    assert [link is not None and link.is_open(now) for link in found] == [False, False, True]


async def test_the_confirmation_of_a_visit_is_stored(clinic: Clinic) -> None:
    dentist, patient = await clinic.add_dentist(), await clinic.add_patient()
    row, loaded = clinic.row(dentist, patient), await clinic.open(dentist)
    await clinic.commit(loaded, clinic.turn(booked(row)))
    confirmed = changed(row, patient_confirmed_at=clinic.clock.now())
    await clinic.commit(loaded, clinic.turn(confirmed))
    again = await clinic.open(dentist)
    (stored,) = again.rows
    assert stored.patient_confirmed_at == clinic.clock.now()
