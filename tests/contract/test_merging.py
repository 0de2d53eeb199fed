"""Two records of one person become one: what moves, what ends, and what races with it."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.appointment import Status
from actors.domain.events import (
    PatientLinked,
    PatientsMerged,
    PracticePatientSaved,
    ProfileSaved,
)
from actors.domain.ids import DentistId, PatientId, PracticeId
from actors.domain.issuers import EXTERNAL
from actors.domain.practice import PracticePatient
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import MergeConflict, NotFound, VersionConflict
from actors.domain.webhook import DisabledReason, WebhookStatus
from actors.ports.commits import Fenced, TurnRefused
from store.commit import merge_commit
from store.engine import Store
from tests.contract.clinic import (
    DAY,
    HOUR,
    MINUTE,
    Clinic,
    booked,
    expired,
    held,
    moved,
    patient,
    released,
)
from tests.contract.engines import Database
from tests.contract.hooks import add_consent, add_message, add_webhook


def merged(
    one: Profile,
    into: Profile,
    *dentists: Profile,
    practices: tuple[PracticeId, ...] = (),
    **filled: object,
) -> PatientsMerged:
    after = replace(into, version=into.version + 1)
    return PatientsMerged(
        merged=one,
        before=into,
        after=replace(after, **filled),  # type: ignore[arg-type]  # keywords of a test
        dentists=tuple(DentistId(each.id) for each in dentists),
        practices=practices,
    )


async def twins(clinic: Clinic) -> tuple[Profile, Profile]:
    return await clinic.add_patient("Pat"), await clinic.add_patient("Pat")


async def rows_of(clinic: Clinic, person: Profile, database: Database) -> set[str]:
    found = database.query("SELECT id FROM appointments WHERE patient_id = ?", person.id)
    return {row_id for (row_id,) in found}


async def test_every_row_moves_to_the_survivor(clinic: Clinic, store: Store) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat, twin = await twins(clinic)
    now = clinic.clock.now()
    visit, hold = clinic.row(ann, pat), clinic.row(bob, pat, now + 2 * DAY, status=Status.HELD)
    past = clinic.row(bob, pat, now - DAY, status=Status.COMPLETED)
    over = clinic.row(bob, pat, now + 3 * DAY, status=Status.HELD)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(visit)))
    turns = held(hold), booked(past), held(over), released(over)
    await clinic.commit(await clinic.open(bob), *(clinic.turn(each) for each in turns))
    clinic.postbox.batches.clear()
    clinic.clock.advance(HOUR)
    await clinic.save(merged(pat, twin, ann, bob))
    for row, version in ((visit, 2), (hold, 2), (past, 2), (over, 3)):
        stored = await clinic.stored(row)
        assert stored
        assert (stored.patient_id, stored.version) == (twin.id, version)
        assert stored.updated_at == clinic.clock.now()
        same = replace(stored, patient_id=row.patient_id, version=1, updated_at=row.updated_at)
        assert same == replace(row, status=stored.status)
    gone = await store.profiles.by_id(pat.id)
    assert gone == replace(pat, merged_into=twin.id, active=False, version=2)


async def test_everyone_is_told_what_moved(clinic: Clinic) -> None:
    practice = await clinic.add_practice()
    ann = await clinic.add_dentist("Dr Ann", practice_id=practice.id)
    pat, twin = await twins(clinic)
    visit = clinic.row(ann, pat)
    hold = clinic.row(ann, pat, visit.end, status=Status.HELD)
    over = clinic.row(ann, pat, visit.end + HOUR, status=Status.HELD)
    turns = booked(visit), held(hold), held(over), released(over)
    await clinic.commit(await clinic.open(ann), *(clinic.turn(each) for each in turns))
    clinic.postbox.batches.clear()
    await clinic.save(merged(pat, twin, ann, practices=(practice.id,)))
    told = {(each.type, each.channel) for each in clinic.postbox.records}
    both = (f"appointments:dentist:{ann.id}", f"appointments:patient:{twin.id}")
    assert told == {
        ("patient.merged", f"profiles:user:{pat.id}"),
        ("patient.merged", f"profiles:dentist:{ann.id}"),
        ("patient.merged", f"practices:{practice.id}"),
        ("profile.updated", f"profiles:user:{twin.id}"),
        *(("appointment.updated", channel) for channel in both),
        *(("reservation.created", channel) for channel in both),
    }
    of_visit = [each for each in clinic.postbox.records if each.type == "appointment.updated"]
    assert all(twin.id.encode() in each.payload for each in of_visit), "with the survivor's name"


async def test_the_calendars_of_its_rows_are_fenced_and_no_others(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat, twin = await twins(clinic)
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    hold = clinic.row(ann, pat, status=Status.HELD)
    await clinic.commit(at_ann, clinic.turn(held(hold)))
    await clinic.save(merged(pat, twin, ann))
    old = booked(replace(hold, status=Status.CONFIRMED, version=2), before=hold)
    for event in (old, expired(hold), booked(clinic.row(ann, twin))):
        with pytest.raises(Fenced):
            await clinic.commit(at_ann, clinic.turn(event))
    (row,) = (await clinic.open(ann)).rows
    assert row == replace(hold, patient_id=PatientId(twin.id), version=2)
    await clinic.commit(at_bob, clinic.turn(booked(clinic.row(bob, twin))))


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.HELD])
async def test_nothing_is_booked_under_a_merged_id(
    clinic: Clinic, database: Database, status: Status
) -> None:
    """At a calendar that had no row of the merged person, and was open before the merge."""
    bob, (pat, twin) = await clinic.add_dentist("Dr Bob"), await twins(clinic)
    at_bob = await clinic.open(bob)
    await clinic.save(merged(pat, twin))
    row = clinic.row(bob, pat, clinic.clock.now() + 2 * DAY, status=status)
    event = held(row) if status is Status.HELD else booked(row)
    fine = clinic.turn(booked(clinic.row(bob, twin)))
    with pytest.raises(TurnRefused) as refused:
        await clinic.commit(at_bob, fine, clinic.turn(event))
    assert refused.value.index == 1
    assert isinstance(refused.value.refusal, NotFound)
    await clinic.commit(at_bob, fine)
    assert await rows_of(clinic, pat, database) == set()


async def test_a_booking_and_a_merge_at_once_leave_nothing_behind(
    clinic: Clinic, database: Database
) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    for hours in range(12):
        pat, twin = await twins(clinic)
        start = clinic.clock.now() + DAY + hours * HOUR
        before = clinic.row(ann, pat, start)
        await clinic.commit(await clinic.open(ann), clinic.turn(booked(before)))
        at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
        more = clinic.row(ann, pat, start + 30 * MINUTE)
        other = clinic.row(bob, pat, start + 30 * DAY)
        results = await asyncio.gather(
            clinic.commit(at_ann, clinic.turn(booked(more))),
            clinic.commit(at_bob, clinic.turn(booked(other))),
            clinic.save(merged(pat, twin, ann)),
            return_exceptions=True,
        )
        for result, failure in zip(results, (Fenced, TurnRefused, VersionConflict), strict=True):
            assert not isinstance(result, Exception) or isinstance(result, failure), result
        is_merged = not isinstance(results[2], Exception)
        acknowledged = {
            row.id
            for row, result in zip((more, other), results, strict=False)
            if not isinstance(result, Exception)
        }
        kept = acknowledged | {before.id}
        assert await rows_of(clinic, twin if is_merged else pat, database) == kept
        assert await rows_of(clinic, pat if is_merged else twin, database) == set()


async def test_a_row_elsewhere_makes_the_merge_start_again(
    clinic: Clinic, database: Database
) -> None:
    ann, (pat, twin) = await clinic.add_dentist("Dr Ann"), await twins(clinic)
    row = clinic.row(ann, pat)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    with pytest.raises(VersionConflict):
        await clinic.save(merged(pat, twin))
    assert await rows_of(clinic, pat, database) == {row.id}


async def test_who_would_be_at_two_places_is_not_merged(clinic: Clinic, store: Store) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat, twin = await twins(clinic)
    one, other = clinic.row(ann, pat), clinic.row(bob, twin)
    later = clinic.row(ann, pat, one.end)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(one)))
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(later)))
    await clinic.commit(await clinic.open(bob), clinic.turn(booked(other)))
    with pytest.raises(MergeConflict) as refused:
        await clinic.save(merged(pat, twin, ann))
    shown = {(each.id, each.patient_id) for each in refused.value.appointments}
    assert shown == {(one.id, pat.id), (other.id, twin.id)}
    assert await clinic.stored(one) == one
    assert await store.profiles.by_id(pat.id) == pat


async def test_holds_may_overlap(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat, twin = await twins(clinic)
    hold, other = clinic.row(ann, pat, status=Status.HELD), clinic.row(bob, twin)
    await clinic.commit(await clinic.open(ann), clinic.turn(held(hold)))
    await clinic.commit(await clinic.open(bob), clinic.turn(booked(other)))
    await clinic.save(merged(pat, twin, ann))
    moved = await clinic.stored(hold)
    assert moved
    assert moved.patient_id == twin.id


async def test_a_merge_has_a_bound(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_commit, "MERGED_ROWS_MAX", 2)
    ann, (pat, twin) = await clinic.add_dentist("Dr Ann"), await twins(clinic)
    rows = [clinic.row(ann, pat, clinic.clock.now() + n * DAY) for n in (1, 2, 3)]
    loaded = await clinic.open(ann)
    for row in rows[:2]:
        await clinic.commit(loaded, clinic.turn(booked(row)))
    await clinic.commit(loaded, clinic.turn(booked(rows[2])))
    with pytest.raises(MergeConflict, match="more than 2"):
        await clinic.save(merged(pat, twin, ann))


async def test_a_merge_of_many_rows_is_one_commit(clinic: Clinic, database: Database) -> None:
    ann, (pat, twin) = await clinic.add_dentist("Dr Ann"), await twins(clinic)
    loaded, now = await clinic.open(ann), clinic.clock.now()
    rows = [
        clinic.row(ann, pat, now - n * HOUR, status=Status.COMPLETED)
        for n in range(1, merge_commit.MERGED_ROWS_MAX + 1)
    ]
    for first in range(0, len(rows), 50):
        turns = [clinic.turn(booked(row)) for row in rows[first : first + 50]]
        await clinic.commit(loaded, *turns)
    clinic.postbox.batches.clear()
    await clinic.save(merged(pat, twin, ann))
    (batch,) = clinic.postbox.batches
    of_rows = [each for each in batch if each.type == "appointment.updated"]
    assert len(of_rows) == 2 * merge_commit.MERGED_ROWS_MAX
    assert len(await rows_of(clinic, twin, database)) == merge_commit.MERGED_ROWS_MAX


async def test_the_sign_in_moves_to_the_survivor(clinic: Clinic, store: Store) -> None:
    pat = await clinic.add_patient("Pat", subject="sub-pat", email="pat@example.org")
    twin = await clinic.add_patient("Pat")
    await clinic.save(merged(pat, twin, subject="sub-pat", email="pat@example.org"))
    signed_in = await store.profiles.by_identity((EXTERNAL, "sub-pat"))
    assert signed_in
    assert signed_in.id == twin.id
    assert await store.profiles.adoptable("pat@example.org") == []


async def test_consents_end_and_go_on_to_refuse_the_party(clinic: Clinic, store: Store) -> None:
    pat, twin = await twins(clinic)
    given = await add_consent(clinic, pat, party="chatbot:one")
    own = await add_consent(clinic, twin, party="chatbot:two")
    await add_consent(clinic, pat, party="chatbot:two")
    await clinic.save(merged(pat, twin))
    now = clinic.clock.now()
    ended = replace(given, patient_id=PatientId(twin.id), ended_at=now, version=2)
    assert set(await store.consents.of_patient(PatientId(twin.id))) == {ended, own}
    (left,) = await store.consents.of_patient(PatientId(pat.id))
    assert (left.party, left.ended_at) == ("chatbot:two", now)


async def test_a_consent_for_a_merged_patient_is_refused(clinic: Clinic, store: Store) -> None:
    pat, twin = await twins(clinic)
    await clinic.save(merged(pat, twin))
    with pytest.raises(NotFound):
        await add_consent(clinic, pat)
    assert await store.consents.of_patient(PatientId(pat.id)) == ()


async def test_webhooks_of_the_merged_person_end(clinic: Clinic, store: Store) -> None:
    pat, twin = await twins(clinic)
    bot = [
        Principal(role=Role.PATIENT, subject="bot", person=each.id, acting="bot")
        for each in (pat, twin)
    ]
    ends, stays = [await add_webhook(clinic, each) for each in bot]
    await clinic.save(merged(pat, twin))
    target = await store.webhooks.target(ends.id, clinic.clock.now())
    assert target
    webhook = target.view.webhook
    assert webhook.status is WebhookStatus.DISABLED
    assert webhook.disabled_reason is DisabledReason.RIGHTS_ENDED
    assert webhook.version == ends.version + 1
    active = await store.webhooks.active(after=None, limit=9, now=clinic.clock.now())
    assert [each.view.webhook.id for each in active] == [stays.id]


async def test_the_practices_of_both_are_the_survivors(
    clinic: Clinic, store: Store, database: Database
) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    pat = await clinic.add_patient("Pat", here.id)
    twin = await clinic.add_patient("Pat", there.id)
    with pytest.raises(VersionConflict):
        await clinic.save(merged(pat, twin))  # linked meanwhile
    await clinic.save(merged(pat, twin, practices=(here.id,)))
    found = database.query("SELECT practice_id, patient_id FROM practice_patients")
    assert {tuple(row) for row in found} == {(here.id, twin.id), (there.id, twin.id)}
    for practice in (here, there):
        assert await store.practices.has_patient(practice.id, PatientId(twin.id))


async def test_a_merged_patient_cannot_be_linked(clinic: Clinic, database: Database) -> None:
    practice, (pat, twin) = await clinic.add_practice(), await twins(clinic)
    await clinic.save(merged(pat, twin))
    with pytest.raises(NotFound):
        await clinic.save(PatientLinked(practice_id=practice.id, patient=pat))
    assert list(database.query("SELECT * FROM practice_patients")) == []


async def test_a_remark_about_a_merged_patient_is_refused(
    clinic: Clinic, database: Database
) -> None:
    practice, (pat, twin) = await clinic.add_practice(), await twins(clinic)
    seen = PracticePatient(
        practice_id=practice.id,
        patient_id=PatientId(pat.id),
        source="booked",
        since=clinic.clock.now(),
    )
    await clinic.save(merged(pat, twin))
    late = replace(seen, remark="Prefers mornings", version=2)
    with pytest.raises(NotFound):
        await clinic.save(PracticePatientSaved(before=seen, after=late, patient=pat))
    assert list(database.query("SELECT * FROM practice_patients")) == []


async def test_two_merges_of_one_person_at_once_are_one(clinic: Clinic, store: Store) -> None:
    pat, twin = await twins(clinic)
    third = await clinic.add_patient("Pat")
    results = await asyncio.gather(
        clinic.save(merged(pat, twin)),
        clinic.save(merged(pat, third)),
        return_exceptions=True,
    )
    assert [type(each) for each in results if isinstance(each, Exception)] == [VersionConflict]


async def test_two_people_are_not_merged_into_each_other(clinic: Clinic, store: Store) -> None:
    pat, twin = await twins(clinic)
    results = await asyncio.gather(
        clinic.save(merged(pat, twin)), clinic.save(merged(twin, pat)), return_exceptions=True
    )
    assert [type(each) for each in results if isinstance(each, Exception)] == [VersionConflict]
    people = [await store.profiles.by_id(each.id) for each in (pat, twin)]
    assert sorted(bool(each and each.merged_into) for each in people) == [False, True]


async def test_a_merged_profile_is_not_saved_again(clinic: Clinic) -> None:
    pat, twin = await twins(clinic)
    await clinic.save(merged(pat, twin))
    with pytest.raises(VersionConflict):
        await clinic.save(ProfileSaved(before=pat, after=replace(pat, name="Pa", version=2)))


async def test_who_merged_whom_is_audited(clinic: Clinic, database: Database) -> None:
    ann, (pat, twin) = await clinic.add_dentist("Dr Ann"), await twins(clinic)
    row = clinic.row(ann, pat)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    await clinic.save(merged(pat, twin, ann))
    sql = "SELECT role, resource_id, patient_id FROM audit_log WHERE action = ?"
    (entry,) = database.query(sql, "patient.merged")
    assert tuple(entry) == ("admin", pat.id, twin.id)
    (entry,) = database.query(sql, "appointment.moved_to_survivor")
    assert tuple(entry) == ("admin", row.id, twin.id)


async def test_the_survivor_sees_the_whole_history(clinic: Clinic, store: Store) -> None:
    ann, (pat, twin) = await clinic.add_dentist("Dr Ann"), await twins(clinic)
    row = clinic.row(ann, pat)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    await clinic.save(merged(pat, twin, ann))
    history = await store.appointments.history(patient(twin), row.id)
    assert history is not None
    actions = [each.action for each in history]
    assert actions == ["appointment.booked", "appointment.moved_to_survivor"]
    assert await store.appointments.history(patient(pat), row.id) is None
    stranger = await clinic.add_patient("Eve")
    assert await store.appointments.history(patient(stranger), row.id) is None


async def test_messages_go_to_the_survivor(clinic: Clinic, database: Database) -> None:
    ann, (pat, twin) = await clinic.add_dentist("Dr Ann"), await twins(clinic)
    row = clinic.row(ann, pat)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    message = await add_message(clinic, row)
    bob = await clinic.add_dentist("Dr Bob")
    await clinic.commit(await clinic.open(bob), clinic.turn(moved(row, bob)))
    await clinic.save(merged(pat, twin, bob))
    (found,) = database.query("SELECT id, patient_id, version FROM messages")
    assert tuple(found) == (message.id, twin.id, message.version + 1)
