"""RecordStore: profiles and types, guarded by version, published to the people concerned."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.appointment import Status
from actors.domain.channels import (
    AVAILABILITY_ALL,
    dentist_profiles_channel,
    user_profile_channel,
)
from actors.domain.events import AppointmentTypeSaved, ProfileSaved
from actors.domain.ids import DentistId
from actors.domain.issuers import EXTERNAL
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import (
    IdempotencyMismatch,
    NotFound,
    ValidationFailed,
    VersionConflict,
)
from actors.ports.commits import TurnReplayed
from tests.contract.clinic import DAY, Clinic, booked, cancelled, client_key, held
from tests.contract.engines import Database


def renamed(profile: Profile, name: str = "New Name") -> ProfileSaved:
    return ProfileSaved(
        before=profile, after=replace(profile, name=name, version=profile.version + 1)
    )


async def test_a_profile_is_stored_as_it_was_given(clinic: Clinic) -> None:
    ann = await clinic.add_dentist()
    pat = await clinic.add_patient(
        subject="auth|1",
        email="Pat@Example.org",
        phone="+1 555 0100",
        time_zone="America/New_York",
        created_by=ann.id,
    )
    assert await clinic.store.profiles.by_id(pat.id) == pat
    assert await clinic.store.profiles.by_identity((EXTERNAL, "auth|1")) == pat
    assert await clinic.store.profiles.by_identity((EXTERNAL, "auth|2")) is None


async def test_a_change_needs_the_version_it_was_based_on(clinic: Clinic) -> None:
    pat = await clinic.add_patient()
    await clinic.save(renamed(pat))
    with pytest.raises(VersionConflict) as caught:
        await clinic.save(renamed(pat, "Too Late"))
    assert caught.value.current == 2
    found = await clinic.store.profiles.by_id(pat.id)
    assert found
    assert found.name == "New Name"


async def test_of_changes_sent_at_the_same_instant_one_wins(clinic: Clinic) -> None:
    pat = await clinic.add_patient()
    results = await asyncio.gather(
        *(clinic.save(renamed(pat, f"Name {n}")) for n in range(5)), return_exceptions=True
    )
    assert sum(isinstance(result, VersionConflict) for result in results) == 4


async def test_what_does_not_exist_cannot_change(clinic: Clinic) -> None:
    pat = await clinic.add_patient()
    stranger = replace(pat, id=DentistId(clinic.kind.id))  # type: ignore[arg-type]  # any id
    with pytest.raises(NotFound):
        await clinic.save(renamed(stranger))
    ghost = replace(clinic.kind, id=pat.id)  # type: ignore[arg-type]  # any id
    with pytest.raises(NotFound):
        await clinic.save(AppointmentTypeSaved(before=ghost, after=ghost))


async def test_a_subject_has_one_profile(clinic: Clinic) -> None:
    pat = await clinic.add_patient(subject="auth|1")
    with pytest.raises(ValidationFailed) as caught:
        await clinic.add_patient("Pia", subject="auth|1")
    assert [error.field for error in caught.value.details] == ["subject"]
    pia = await clinic.add_patient("Pia")
    with pytest.raises(ValidationFailed):
        await clinic.save(ProfileSaved(before=pia, after=replace(pia, subject="auth|1", version=2)))
    await clinic.save(renamed(pat))
    await clinic.save(ProfileSaved(before=pia, after=replace(pia, subject="auth|2", version=2)))


async def test_of_two_first_tokens_of_one_subject_one_makes_the_profile(clinic: Clinic) -> None:
    results = await asyncio.gather(
        *(clinic.add_patient(f"Pat {n}", subject="auth|1") for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, ValidationFailed) for result in results) == 3


async def test_changed_patient_is_published_to_patient_and_dentists(clinic: Clinic) -> None:
    """Any appointment confirmed or later makes a dentist theirs; a mere hold does not."""
    booked_at, cancelled_at, held_at, stranger = [
        await clinic.add_dentist(f"Dr {n}") for n in range(4)
    ]
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    now = clinic.clock.now()
    row, gone = clinic.row(booked_at, pat), clinic.row(cancelled_at, pat, now + 2 * DAY)
    hold = clinic.row(held_at, pat, now + 3 * DAY, status=Status.HELD)
    await clinic.commit(await clinic.open(booked_at), clinic.turn(booked(row)))
    loaded = await clinic.open(cancelled_at)
    await clinic.commit(loaded, clinic.turn(booked(gone)), clinic.turn(cancelled(gone)))
    await clinic.commit(await clinic.open(held_at), clinic.turn(held(hold)))
    await clinic.commit(await clinic.open(stranger), clinic.turn(booked(clinic.row(stranger, pia))))
    clinic.postbox.batches.clear()
    body = await clinic.save(renamed(pat))
    published = {record.channel: record.position.offset for record in clinic.postbox.records}
    assert published == {
        user_profile_channel(pat.id): 1,
        dentist_profiles_channel(DentistId(booked_at.id)): 1,
        dentist_profiles_channel(DentistId(cancelled_at.id)): 1,
    }
    assert {record.payload for record in clinic.postbox.records} == {body}
    assert len({record.event_id for record in clinic.postbox.records}) == 1


async def test_changed_type_is_published_to_all(clinic: Clinic) -> None:
    longer = replace(clinic.kind, duration_minutes=60, version=2)
    await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=longer))
    assert [r.channel for r in clinic.postbox.records] == [AVAILABILITY_ALL]
    assert await clinic.store.calendars.load_types() == [longer]
    with pytest.raises(VersionConflict):
        await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=longer))


async def test_a_known_key_answers_without_writing(clinic: Clinic) -> None:
    pat = Profile(id=DentistId(clinic.kind.id), role=Role.PATIENT, name="Pat")  # type: ignore[arg-type]  # any id
    turn = clinic.record_turn(ProfileSaved(before=None, after=pat), key=client_key("k"))
    first = await clinic.store.records.commit_record(turn)
    with pytest.raises(TurnReplayed) as caught:
        await clinic.store.records.commit_record(turn)
    assert caught.value.reply == first
    other = replace(turn, key=client_key("k", fingerprint="other"))
    with pytest.raises(IdempotencyMismatch):
        await clinic.store.records.commit_record(other)


async def test_changes_of_people_are_audited_without_their_data(
    clinic: Clinic, database: Database
) -> None:
    pat = await clinic.add_patient("Pat Secret", email="secret@example.org")
    await clinic.save(renamed(pat, "Still Secret"))
    found = database.query(
        "SELECT action, role, patient_id, version FROM audit_log WHERE resource_id = ? ORDER BY id",
        pat.id,
    )
    assert found == [
        ("profile.saved", "admin", pat.id, 1),
        ("profile.saved", "admin", pat.id, 2),
    ]
    assert "ecret" not in repr(database.query("SELECT * FROM audit_log"))
