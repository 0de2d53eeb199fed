"""A move to another calendar: one transaction that holds the fences of both."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.appointment import Appointment, Status
from actors.domain.channels import availability_channel, dentist_channel, patient_channel
from actors.domain.ids import AppointmentId, DentistId, PatientId
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound, PatientConflict, VersionConflict
from actors.ports.calendars import LoadedCalendar
from actors.ports.commits import (
    ConstraintViolated,
    Fenced,
    TurnRefused,
    TurnReplayed,
)
from store.engine import Store
from tests.contract.clinic import (
    DAY,
    HOUR,
    Clinic,
    booked,
    cancelled,
    changed,
    client_key,
    dentist,
    moved,
    patient,
    staff,
)
from tests.contract.engines import Database


async def visit(clinic: Clinic, at: Profile, of: Profile, **changes: object) -> Appointment:
    row = clinic.row(at, of, **changes)  # type: ignore[arg-type]  # keywords of a test
    await clinic.commit(await clinic.open(at), clinic.turn(booked(row)))
    return row


async def both(clinic: Clinic) -> tuple[Profile, Profile, Profile]:
    return (
        await clinic.add_dentist("Dr Ann"),
        await clinic.add_dentist("Dr Bob"),
        await clinic.add_patient("Pat"),
    )


async def rows_of(clinic: Clinic, *dentists: Profile) -> list[Appointment]:
    """As calendars load them."""
    return [row for each in dentists for row in (await clinic.open(each)).rows]


async def test_a_moved_row_is_in_one_calendar_with_its_id(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    row = await visit(clinic, ann, pat, notes="left molar")
    move = moved(row, bob, start=row.start + HOUR, end=row.end + HOUR)
    committed = await clinic.commit(await clinic.open(bob), clinic.turn(move))
    assert await rows_of(clinic, ann, bob) == [move.after]
    (reply,) = committed.replies
    assert (reply.resource_id, reply.version) == (row.id, 2)
    assert b"Dr Bob" in reply.body


async def test_what_the_other_calendar_decided_before_is_not_committed(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    row = await visit(clinic, ann, pat)
    owner, target = await clinic.open(ann), await clinic.open(bob)
    await clinic.commit(target, clinic.turn(moved(row, bob)))
    other = clinic.row(ann, await clinic.add_patient("Pia"))
    for event in (cancelled(row), changed(row, notes="new"), booked(other)):
        with pytest.raises(Fenced):
            await clinic.commit(owner, clinic.turn(event))
    assert (await clinic.open(ann)).fence == owner.fence + 2, "raised by the move, then opened"
    again = clinic.row(bob, await clinic.add_patient("Pam"), row.start + DAY)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(other)))
    with pytest.raises(Fenced):
        await clinic.commit(replace(target, fence=target.fence - 1), clinic.turn(booked(again)))
    await clinic.commit(target, clinic.turn(booked(again)))


async def test_a_fenced_target_moves_nothing(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    row = await visit(clinic, ann, pat)
    owner, former = await clinic.open(ann), await clinic.open(bob)
    await clinic.open(bob)
    with pytest.raises(Fenced):
        await clinic.commit(former, clinic.turn(moved(row, bob)))
    await clinic.commit(owner, clinic.turn(changed(row, notes="still here")))
    assert [each.dentist_id for each in await rows_of(clinic, ann, bob)] == [ann.id]


@pytest.mark.parametrize("meanwhile", ["changed", "cancelled", "moved", "missing"])
async def test_a_row_that_changed_meanwhile_is_refused_alone(
    clinic: Clinic, meanwhile: str
) -> None:
    ann, bob, pat = await both(clinic)
    cyd, row = await clinic.add_dentist("Dr Cyd"), await visit(clinic, ann, pat)
    if meanwhile == "moved":
        await clinic.commit(await clinic.open(cyd), clinic.turn(moved(row, cyd)))
    elif meanwhile != "missing":
        event = cancelled(row) if meanwhile == "cancelled" else changed(row, notes="new")
        await clinic.commit(await clinic.open(ann), clinic.turn(event))
    gone = replace(row, id=AppointmentId("gone"))
    stale = moved(gone if meanwhile == "missing" else row, bob)
    before = await rows_of(clinic, ann, bob, cyd)
    owner, target = await clinic.open(ann), await clinic.open(bob)
    fine = clinic.turn(booked(clinic.row(bob, await clinic.add_patient(), row.start + DAY)))
    with pytest.raises(TurnRefused) as refused:
        await clinic.commit(target, fine, clinic.turn(stale))
    assert refused.value.index == 1
    if meanwhile == "missing":
        assert isinstance(refused.value.refusal, NotFound)
    else:
        assert isinstance(refused.value.refusal, VersionConflict)
        assert refused.value.refusal.current == 2
    await clinic.commit(target, fine)
    new = clinic.row(ann, await clinic.add_patient("Pia"), row.start + DAY)
    await clinic.commit(owner, clinic.turn(booked(new)))
    assert {each.id for each in await rows_of(clinic, ann, bob, cyd)} == {
        *(each.id for each in before),
        fine.resource_id,
        new.id,
    }


async def test_the_patient_may_not_be_elsewhere_then(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    cyd = await clinic.add_dentist("Dr Cyd")
    row = await visit(clinic, ann, pat)
    later = await visit(clinic, cyd, pat, start=row.start + HOUR)
    target = await clinic.open(bob)
    onto = moved(row, bob, start=later.start, end=later.end)
    with pytest.raises(TurnRefused) as refused:
        await clinic.commit(target, clinic.turn(onto))
    assert isinstance(refused.value.refusal, PatientConflict)
    # The row itself is no conflict, where it is and where it overlaps its old time.
    half = HOUR / 4
    await clinic.commit(
        target, clinic.turn(moved(row, bob, start=row.start + half, end=row.end + half))
    )


async def test_the_database_itself_refuses_a_taken_time(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    row = await visit(clinic, ann, pat)
    target = await clinic.open(bob)
    other = clinic.row(bob, await clinic.add_patient("Pia"))
    await clinic.commit(target, clinic.turn(booked(other)))
    with pytest.raises(ConstraintViolated):
        await clinic.commit(target, clinic.turn(moved(row, bob)))
    assert {each.id for each in await rows_of(clinic, ann, bob)} == {row.id, other.id}


async def test_events_of_a_move(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    row = await visit(clinic, ann, pat)
    target = await clinic.open(bob)
    clinic.postbox.batches.clear()
    after = moved(row, bob).after
    await clinic.commit(
        target,
        clinic.turn(moved(row, bob)),
        clinic.turn(changed(after, notes="n")),
        clinic.turn(cancelled(changed(after).after)),
    )
    to, left = DentistId(bob.id), DentistId(ann.id)
    events = [(each.channel, each.type) for each in clinic.postbox.records]
    assert events[:5] == [
        (dentist_channel(to), "appointment.created"),
        (dentist_channel(left), "appointment.moved_away"),
        (patient_channel(PatientId(pat.id)), "appointment.updated"),
        (availability_channel(to), "slots.changed"),
        (availability_channel(left), "slots.changed"),
    ]
    assert not [channel for channel, _ in events[5:] if channel.endswith(ann.id)]
    positions = [
        each.position.offset
        for each in clinic.postbox.records
        if each.channel == dentist_channel(left)
    ]
    assert positions == [2], "after the booking"


async def test_both_calendars_have_it_in_the_audit(clinic: Clinic, database: Database) -> None:
    ann, bob, pat = await both(clinic)
    row = await visit(clinic, ann, pat)
    await clinic.commit(await clinic.open(bob), clinic.turn(moved(row, bob), by=patient(pat)))
    found = database.query(
        "SELECT action, dentist_id, version FROM audit_log WHERE resource_id = ? ORDER BY id",
        row.id,
    )
    assert sorted(map(tuple, found)) == [
        ("appointment.booked", ann.id, 1),
        ("appointment.moved", bob.id, 2),
        ("appointment.moved_away", ann.id, 2),
    ]


async def test_who_sees_a_moved_appointment_and_its_history(clinic: Clinic, store: Store) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id)
    bob = await clinic.add_dentist("Dr Bob", practice_id=there.id)
    sue, tim = await clinic.add_staff("Sue", here), await clinic.add_staff("Tim", there)
    pat = await clinic.add_patient()
    row = await visit(clinic, ann, pat)
    move = moved(row, bob, (here.id, there.id))
    await clinic.commit(await clinic.open(bob), clinic.turn(move, by=patient(pat)))
    for reader in (dentist(bob), staff(tim, bob), patient(pat)):
        found = await store.appointments.get(reader, row.id)
        assert found
        assert found[0] == move.after
        history = await store.appointments.history(reader, row.id)
        assert history
        actions = [entry.action for entry in history]
        assert actions == ["appointment.booked", "appointment.moved"]
    for reader in (dentist(ann), staff(sue, ann)):
        assert await store.appointments.get(reader, row.id) is None
        assert await store.appointments.history(reader, row.id) is None
    for practice in (here, there):
        assert await store.practices.has_patient(practice.id, PatientId(pat.id))


async def test_a_repeated_move_is_answered_once(clinic: Clinic) -> None:
    ann, bob, pat = await both(clinic)
    row, key = await visit(clinic, ann, pat), client_key("k")
    target = await clinic.open(bob)
    first = await clinic.commit(target, clinic.turn(moved(row, bob), key=key))
    with pytest.raises(TurnReplayed) as replayed:
        await clinic.commit(target, clinic.turn(moved(row, bob), key=key))
    assert replayed.value.reply == first.replies[0]


async def test_commits_of_both_calendars_at_once(clinic: Clinic) -> None:
    """A booking where the row leaves, and moves in both directions: each is done or fenced."""
    ann, bob, pat = await both(clinic)
    pia, pam = await clinic.add_patient("Pia"), await clinic.add_patient("Pam")
    row, back = await visit(clinic, ann, pat), await visit(clinic, bob, pia)
    later = row.start + DAY
    a, b = await clinic.open(ann), await clinic.open(bob)
    there = moved(row, bob, start=later, end=later + HOUR)
    here = moved(back, ann, start=later, end=later + HOUR)
    extra = clinic.row(ann, pam, later + DAY)

    async def outcome(loaded: LoadedCalendar, *events: object) -> bool:
        turns = [clinic.turn(event) for event in events]  # type: ignore[arg-type]  # of rows
        try:
            await clinic.store.calendars.commit(clinic.commit_of(loaded, *turns))
        except Fenced:
            return False
        return True

    done = await asyncio.gather(outcome(b, there), outcome(a, here, booked(extra)))
    assert done.count(True) == 1, "whichever is first fences the other"
    rows = await rows_of(clinic, ann, bob)
    assert sorted(each.id for each in rows) == sorted(
        [row.id, back.id, *([extra.id] if done[1] else [])]
    )


async def test_a_moved_row_keeps_its_place_in_a_batch(clinic: Clinic) -> None:
    """The time that one turn frees, another turn of the batch may take."""
    ann, bob, pat = await both(clinic)
    pia = await clinic.add_patient("Pia")
    row, there = await visit(clinic, ann, pat), await visit(clinic, bob, pia)
    target = await clinic.open(bob)
    freed = clinic.turn(cancelled(there))
    await clinic.commit(target, freed, clinic.turn(moved(row, bob)))
    (found,) = [each for each in await rows_of(clinic, bob) if each.status is Status.CONFIRMED]
    assert found.id == row.id
