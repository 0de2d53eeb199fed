"""Idempotency keys: a repeated request gets the first reply, and happens once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from actors.domain.appointment import Status
from actors.domain.outcome import Outcome
from actors.domain.refusals import IdempotencyMismatch
from actors.ports.commits import ConstraintViolated, TurnRefused, TurnReplayed
from tests.contract.clinic import DAY, HOUR, Clinic, booked, cancelled, client_key, held


async def test_a_known_key_is_answered_with_the_first_reply(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    turn = clinic.turn(booked(row), key=client_key("k"))
    first = await clinic.commit(loaded, turn)
    other = clinic.turn(booked(clinic.row(ann, pat, row.end)))
    with pytest.raises(TurnReplayed) as caught:
        await clinic.commit(loaded, other, turn)
    assert caught.value.index == 1
    assert caught.value.reply == first.replies[0]


async def test_a_known_key_with_another_request_is_refused(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    await clinic.commit(loaded, clinic.turn(booked(row), key=client_key("k")))
    another = clinic.turn(cancelled(row), key=client_key("k", fingerprint="other"))
    with pytest.raises(TurnRefused) as caught:
        await clinic.commit(loaded, another)
    assert isinstance(caught.value.refusal, IdempotencyMismatch)
    assert await clinic.stored(row) == row


async def test_key_means_one_request_at_all_calendars(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    row = clinic.row(ann, pat)
    turn = clinic.turn(booked(row), key=client_key("k"))
    await clinic.commit(await clinic.open(ann), turn)
    elsewhere = clinic.row(bob, pat, row.start + HOUR)
    another = clinic.turn(booked(elsewhere), key=client_key("k", fingerprint="other"))
    with pytest.raises(TurnRefused):
        await clinic.commit(await clinic.open(bob), another)


async def test_two_people_may_use_the_same_key(clinic: Clinic) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    row, other = clinic.row(ann, pat), clinic.row(ann, pia, clinic.clock.now() + 2 * DAY)
    turns = [
        clinic.turn(booked(row), key=client_key("k", scope="patient:pat|")),
        clinic.turn(booked(other), key=client_key("k", scope="patient:pia|")),
    ]
    assert len((await clinic.commit(await clinic.open(ann), *turns)).replies) == 2


async def test_a_turn_without_events_keeps_its_reply_only_under_a_clients_key(
    clinic: Clinic,
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    await clinic.commit(loaded, clinic.turn(booked(row)))
    nothing = replace(
        clinic.turn(booked(row)), events=(), announcements=(), outcome=Outcome.UNCHANGED
    )
    sent = replace(nothing, key=client_key("k"))
    clinic.postbox.batches.clear()
    replies = (await clinic.commit(loaded, nothing, sent)).replies
    assert [reply.outcome for reply in replies] == [Outcome.UNCHANGED] * 2
    assert clinic.postbox.batches == []
    stored = await clinic.store.calendars.replies([nothing.key, sent.key])
    assert [one.key for one in stored] == [sent.key]
    assert stored[0].reply == replies[1]


async def test_every_change_can_be_looked_up_by_its_key(clinic: Clinic) -> None:
    """Internal keys too: that is how an unknown outcome is settled."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    turn = clinic.turn(booked(row))
    never = replace(turn.key, key="never used")
    committed = await clinic.commit(loaded, turn)
    (stored,) = await clinic.store.calendars.replies([turn.key, never])
    assert stored.key == turn.key
    assert stored.reply == committed.replies[0]
    assert stored.at == turn.at
    assert await clinic.store.calendars.replies([]) == []


async def test_an_opened_calendar_brings_the_last_days_replies(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    at_ann, at_bob = await clinic.open(ann), await clinic.open(bob)
    rows = [clinic.row(ann, pat, clinic.clock.now() + n * DAY) for n in (1, 2, 3)]
    await clinic.commit(at_ann, clinic.turn(booked(rows[0]), key=client_key("too old")))
    clinic.clock.advance(timedelta(hours=23))
    await clinic.commit(at_ann, clinic.turn(booked(rows[1]), key=client_key("older")))
    await clinic.commit(at_ann, clinic.turn(cancelled(rows[0])))
    at_bobs = clinic.row(bob, pat, clinic.clock.now() + 9 * DAY)
    await clinic.commit(at_bob, clinic.turn(booked(at_bobs), key=client_key("elsewhere")))
    clinic.clock.advance(timedelta(hours=1))
    await clinic.commit(at_ann, clinic.turn(booked(rows[2]), key=client_key("newer")))
    loaded = await clinic.open(ann)
    assert [stored.key.key for stored in loaded.replies] == ["older", "newer"]


async def test_one_commit_may_not_carry_a_key_twice(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    turns = [
        clinic.turn(held(clinic.row(ann, pat, at, status=Status.HELD)), key=client_key("k"))
        for at in (clinic.clock.now() + DAY, clinic.clock.now() + 2 * DAY)
    ]
    with pytest.raises(ConstraintViolated):
        await clinic.commit(await clinic.open(ann), *turns)
