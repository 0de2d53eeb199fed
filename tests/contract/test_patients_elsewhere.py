"""Checks across calendars: the rows of a patient at other dentists."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.appointment import Status
from actors.domain.refusals import PatientConflict, TooManyAppointments, TooManyReservations
from actors.ports.commits import ConstraintViolated, TurnRefused
from tests.contract.clinic import (
    DAY,
    HOUR,
    MINUTE,
    SYSTEM,
    Clinic,
    booked,
    cancelled,
    changed,
    dentist,
    expired,
    held,
    patient,
    released,
)
from tests.contract.engines import Database


async def test_a_patient_cannot_be_at_two_dentists_at_once(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    row = clinic.row(ann, pat)
    await clinic.commit(at_ann, clinic.turn(booked(row)))
    fine = clinic.turn(booked(clinic.row(bob, pia, row.start)))
    overlapping = clinic.row(bob, pat, row.start - 29 * MINUTE)
    with pytest.raises(TurnRefused) as caught:
        await clinic.commit(at_bob, fine, clinic.turn(booked(overlapping)))
    assert caught.value.index == 1
    assert isinstance(caught.value.refusal, PatientConflict)
    back_to_back = clinic.row(bob, pat, row.start - 30 * MINUTE)
    await clinic.commit(at_bob, clinic.turn(booked(back_to_back)))


async def test_of_two_confirmations_sent_at_the_same_instant_one_wins(clinic: Clinic) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(6)]
    loaded = [await clinic.open(one) for one in dentists]
    for day in range(1, 6):
        pat = await clinic.add_patient()
        start = clinic.clock.now() + day * DAY
        turns = [clinic.turn(booked(clinic.row(one, pat, start))) for one in dentists]
        results = await asyncio.gather(
            *(clinic.commit(a, turn) for a, turn in zip(loaded, turns, strict=True)),
            return_exceptions=True,
        )
        lost = [result for result in results if isinstance(result, TurnRefused)]
        assert len(lost) == 5
        assert all(isinstance(one.refusal, PatientConflict) for one in lost)


async def test_a_hold_claims_no_time_until_it_is_confirmed(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    row, hold = clinic.row(ann, pat), clinic.row(bob, pat, status=Status.HELD)
    await clinic.commit(at_bob, clinic.turn(held(hold)))
    await clinic.commit(at_ann, clinic.turn(booked(row)))
    confirmed = replace(hold, status=Status.CONFIRMED, expires_at=None, version=2)
    with pytest.raises(TurnRefused):
        await clinic.commit(at_bob, clinic.turn(booked(confirmed, before=hold)))
    await clinic.commit(at_ann, clinic.turn(cancelled(row)))
    await clinic.commit(at_bob, clinic.turn(booked(confirmed, before=hold)))


async def test_moving_and_undoing_a_no_show_are_checked_too(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    row, missed = clinic.row(ann, pat), clinic.row(bob, pat, status=Status.NO_SHOW)
    later = clinic.row(bob, pat, row.start + HOUR)
    await clinic.commit(at_ann, clinic.turn(booked(row)))
    await clinic.commit(at_bob, clinic.turn(booked(missed)), clinic.turn(booked(later)))
    undone = changed(missed, status=Status.CONFIRMED)
    moved = changed(later, start=row.start, end=row.end)
    for event in (undone, moved):
        with pytest.raises(TurnRefused):
            await clinic.commit(at_bob, clinic.turn(event))
    await clinic.commit(at_bob, clinic.turn(changed(later, notes="checks nothing")))


async def test_the_first_turn_in_conflict_is_the_one_named(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    people = [await clinic.add_patient(f"Pat {n}") for n in range(4)]
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    starts = [clinic.clock.now() + DAY + n * HOUR for n in range(4)]
    for n in (2, 3):
        await clinic.commit(at_bob, clinic.turn(booked(clinic.row(bob, people[n], starts[n]))))
    turns = [
        clinic.turn(booked(clinic.row(ann, one, at)))
        for one, at in zip(people, starts, strict=True)
    ]
    with pytest.raises(TurnRefused) as caught:
        await clinic.commit(at_ann, *turns)
    assert caught.value.index == 2


async def test_turns_of_one_patient_in_a_batch_see_each_other(clinic: Clinic) -> None:
    """An overbooked row escapes the dentist's guard, not the patient's."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    again = clinic.row(ann, pat, row.start, overbooked=True)
    with pytest.raises(TurnRefused) as caught:
        await clinic.commit(loaded, clinic.turn(booked(row)), clinic.turn(booked(again)))
    assert caught.value.index == 1


async def test_the_database_refuses_a_patient_at_two_places(
    clinic: Clinic, database: Database
) -> None:
    """The constraint of the database, without the checks of the committer."""
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    row, other = clinic.row(ann, pat), clinic.row(bob, pat, clinic.clock.now() + 2 * DAY)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    await clinic.commit(await clinic.open(bob), clinic.turn(booked(other)))
    with pytest.raises(Exception, match="patient_overlap"):
        database.query(
            "UPDATE appointments SET (starts_at, ends_at) = "
            "(SELECT starts_at, ends_at FROM appointments WHERE id = ?) WHERE id = ?",
            row.id,
            other.id,
        )


async def test_the_same_turn_cannot_put_a_patient_in_two_places(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    row = clinic.row(ann, pat)
    again = clinic.row(ann, pat, row.start, overbooked=True)
    with pytest.raises(ConstraintViolated):
        await clinic.commit(await clinic.open(ann), clinic.turn(booked(row), booked(again)))


async def test_holds_are_limited_over_all_dentists(clinic: Clinic) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(4)]
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    loaded = [await clinic.open(one) for one in dentists]
    holds = [clinic.row(one, pat, status=Status.HELD) for one in dentists]
    for calendar, hold in list(zip(loaded, holds, strict=True))[:3]:
        await clinic.commit(calendar, clinic.turn(held(hold)))
    fourth, of_pia = clinic.turn(held(holds[3])), clinic.row(dentists[3], pia, status=Status.HELD)
    with pytest.raises(TurnRefused) as caught:
        await clinic.commit(loaded[3], fourth)
    assert isinstance(caught.value.refusal, TooManyReservations)
    assert caught.value.refusal.limit == 3
    await clinic.commit(loaded[3], clinic.turn(held(of_pia)))
    await clinic.commit(loaded[3], clinic.turn(released(of_pia)))
    await clinic.commit(loaded[0], clinic.turn(released(holds[0])))
    await clinic.commit(loaded[3], fourth)


async def test_of_holds_sent_at_the_same_instant_only_the_limit_wins(clinic: Clinic) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(8)]
    pat = await clinic.add_patient()
    loaded = [await clinic.open(one) for one in dentists]
    turns = [clinic.turn(held(clinic.row(one, pat, status=Status.HELD))) for one in dentists]
    results = await asyncio.gather(
        *(clinic.commit(a, turn) for a, turn in zip(loaded, turns, strict=True)),
        return_exceptions=True,
    )
    assert sum(not isinstance(result, TurnRefused) for result in results) == 3


async def test_overdue_holds_do_not_count(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    holds = [
        clinic.row(ann, pat, clinic.clock.now() + DAY + n * HOUR, status=Status.HELD)
        for n in range(3)
    ]
    await clinic.commit(loaded, *(clinic.turn(held(hold)) for hold in holds))
    clinic.clock.advance(5 * MINUTE)
    fourth = clinic.row(ann, pat, status=Status.HELD, start=clinic.clock.now() + 3 * DAY)
    await clinic.commit(loaded, clinic.turn(held(fourth)))


async def test_a_hold_that_the_turn_itself_gives_back_does_not_count(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    holds = [
        clinic.row(ann, pat, clinic.clock.now() + DAY + n * HOUR, status=Status.HELD)
        for n in range(4)
    ]
    await clinic.commit(loaded, *(clinic.turn(held(hold)) for hold in holds[:3]))
    await clinic.commit(loaded, clinic.turn(released(holds[0]), held(holds[3])))
    live = await clinic.store.calendars.live_holds()
    assert {hold.appointment_id for hold in live} == {hold.id for hold in holds[1:]}


# --- how many appointments may lie ahead ------------------------------------------------


async def test_appointments_and_holds_ahead_are_limited_over_all_dentists(clinic: Clinic) -> None:
    clinic.future_limit = 3
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(2)]
    loaded = [await clinic.open(one) for one in dentists]
    pat, now = await clinic.add_patient(), clinic.clock.now()
    rows = [clinic.row(dentists[n % 2], pat, now + DAY + n * HOUR) for n in range(5)]
    hold = replace(rows[2], status=Status.HELD, expires_at=now + 5 * MINUTE)
    by = patient(pat)
    await clinic.commit(loaded[0], clinic.turn(booked(rows[0]), by=by))
    await clinic.commit(loaded[1], clinic.turn(booked(rows[1]), by=by))
    await clinic.commit(loaded[0], clinic.turn(held(hold), by=by))
    another = replace(rows[3], status=Status.HELD, expires_at=now + 5 * MINUTE)
    for event in (booked(rows[3]), held(another)):
        with pytest.raises(TurnRefused) as caught:
            await clinic.commit(loaded[1], clinic.turn(event, by=by))
        assert isinstance(caught.value.refusal, TooManyAppointments)
        assert caught.value.refusal.limit == 3
    confirmed = replace(hold, status=Status.CONFIRMED, expires_at=None, version=2)
    await clinic.commit(loaded[0], clinic.turn(booked(confirmed, before=hold), by=by))
    later = {"start": now + 9 * DAY, "end": now + 9 * DAY + 30 * MINUTE}
    await clinic.commit(loaded[1], clinic.turn(changed(rows[1], **later), by=by))
    await clinic.commit(loaded[0], clinic.turn(cancelled(rows[0]), by=by))
    await clinic.commit(loaded[1], clinic.turn(booked(rows[3]), by=by))


async def test_what_lies_behind_or_is_overdue_does_not_count(clinic: Clinic) -> None:
    clinic.future_limit = 1
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, by, now = await clinic.open(ann), patient(pat), clinic.clock.now()
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat, now + HOUR)), by=by))
    clinic.clock.advance(HOUR)
    hold = clinic.row(ann, pat, now + 2 * HOUR, status=Status.HELD)
    await clinic.commit(loaded, clinic.turn(held(hold), by=by))
    clinic.clock.advance(5 * MINUTE)
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat, now + DAY)), by=by))


async def test_the_limit_of_appointments_ahead_does_not_bind_staff(clinic: Clinic) -> None:
    clinic.future_limit = 1
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, now = await clinic.open(ann), clinic.clock.now()
    rows = [clinic.row(ann, pat, now + n * DAY) for n in range(1, 4)]
    chatbot = replace(patient(pat), acting="bot")
    await clinic.commit(loaded, clinic.turn(booked(rows[0]), by=chatbot))
    with pytest.raises(TurnRefused):
        await clinic.commit(loaded, clinic.turn(booked(rows[1]), by=chatbot))
    await clinic.commit(loaded, clinic.turn(booked(rows[1]), by=dentist(ann)))
    with pytest.raises(TurnRefused):
        await clinic.commit(loaded, clinic.turn(booked(rows[2]), by=patient(pat)))


async def test_of_bookings_sent_at_the_same_instant_only_the_limit_wins(clinic: Clinic) -> None:
    clinic.future_limit = 4
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(8)]
    loaded = [await clinic.open(one) for one in dentists]
    pat = await clinic.add_patient()
    turns = [
        clinic.turn(
            booked(clinic.row(one, pat, clinic.clock.now() + DAY + n * HOUR)), by=patient(pat)
        )
        for n, one in enumerate(dentists)
    ]
    results = await asyncio.gather(
        *(clinic.commit(a, turn) for a, turn in zip(loaded, turns, strict=True)),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, TurnRefused)]
    assert len(lost) == 4
    assert all(isinstance(one.refusal, TooManyAppointments) for one in lost)


async def test_the_hub_expires_holds_in_its_own_name(clinic: Clinic, database: Database) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, hold = await clinic.open(ann), clinic.row(ann, pat, status=Status.HELD)
    await clinic.commit(loaded, clinic.turn(held(hold)))
    (due,) = await clinic.store.calendars.live_holds()
    assert (due.expires_at, due.appointment_id) == (hold.expires_at, hold.id)
    await clinic.commit(loaded, clinic.turn(expired(hold), by=SYSTEM))
    assert await clinic.store.calendars.live_holds() == []
    found = database.query("SELECT status, on_behalf_of FROM appointments")
    assert found == [("expired", "system")]
