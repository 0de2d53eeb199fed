"""The database is lost and comes back: no call waits for ever, no acknowledged commit is lost."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from actors.ports.commits import Committed, StoreUnavailable
from store.engine import Store, open_store
from tests.contract.clinic import DAY, Clinic, Postbox, booked, patient, render
from tests.contract.engines import Database
from tests.contract.test_reads import DEFAULT
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds


async def test_reads_go_on_while_commits_cannot_be_written(
    clinic: Clinic, database: Database
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    turn = clinic.turn(booked(row))
    with database.locked():
        with pytest.raises(StoreUnavailable):
            await clinic.commit(loaded, turn)
        with pytest.raises(StoreUnavailable):
            await clinic.store.ping()
        assert await clinic.store.profiles.by_id(pat.id) == pat
    await clinic.store.ping()
    await clinic.commit(loaded, turn)
    assert await clinic.stored(row) == row


async def test_all_waiting_commits_fail_when_the_database_is_lost(
    clinic: Clinic, database: Database
) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(6)]
    loaded, pat = [await clinic.open(one) for one in dentists], await clinic.add_patient()
    turns = [
        clinic.turn(booked(clinic.row(one, pat, clinic.clock.now() + n * DAY)))
        for n, one in enumerate(dentists, start=1)
    ]
    with database.locked():
        results = await asyncio.gather(
            *(clinic.commit(a, turn) for a, turn in zip(loaded, turns, strict=True)),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [StoreUnavailable] * 6
    for calendar, turn in zip(loaded, turns, strict=True):
        await clinic.commit(calendar, turn)


async def test_the_store_recovers_by_itself_when_the_database_is_back(
    clinic: Clinic, database: Database
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    before, after = clinic.row(ann, pat), clinic.row(ann, pat, clinic.clock.now() + 2 * DAY)
    await clinic.commit(loaded, clinic.turn(booked(before)))
    with database.lost():
        with pytest.raises(StoreUnavailable):
            await clinic.commit(loaded, clinic.turn(booked(after)))
        with pytest.raises(StoreUnavailable):
            await clinic.store.appointments.page(patient(pat), DEFAULT)
        with pytest.raises(StoreUnavailable):
            await clinic.store.ping()
    await clinic.store.ping()
    await clinic.commit(loaded, clinic.turn(booked(after)))
    page = await clinic.store.appointments.page(patient(pat), DEFAULT)
    assert page.rows == (before, after)


async def test_closing_answers_everyone_who_waits(
    database: Database, clock: FakeClock, new_id: SerialIds, postbox: Postbox
) -> None:
    """Each caller learns the outcome; what was confirmed is stored afterwards."""
    async with _opened(database, clock, new_id, postbox) as store:
        clinic = Clinic(store, clock, new_id, postbox)
        await clinic.found()
        dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(20)]
        pat = await clinic.add_patient()
        loaded = [await clinic.open(one) for one in dentists]
        tasks = [
            asyncio.create_task(
                clinic.commit(
                    calendar,
                    clinic.turn(booked(clinic.row(one, pat, clock.now() + n * DAY))),
                )
            )
            for n, (one, calendar) in enumerate(zip(dentists, loaded, strict=True), start=1)
        ]
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks)
    assert all(isinstance(result, Committed) for result in results)
    with pytest.raises(StoreUnavailable):
        await clinic.open(dentists[0])
    assert len(database.query("SELECT * FROM appointments")) == 20


async def test_a_crash_between_commit_and_broadcast_loses_no_event(
    database: Database, clock: FakeClock, new_id: SerialIds, postbox: Postbox
) -> None:
    async with _opened(database, clock, new_id, postbox) as store:
        clinic = Clinic(store, clock, new_id, postbox)
        await clinic.found()
        ann, pat = await clinic.add_dentist(), await clinic.add_patient()
        await clinic.commit(await clinic.open(ann), clinic.turn(booked(clinic.row(ann, pat))))
        epoch = postbox.records[0].position.epoch
    # No event was marked: the process ended before the first broadcast.
    async with _opened(database, clock, new_id, Postbox()) as store:
        pending = await store.events.pending(limit=100)
        assert len(pending) == len(postbox.records)
        assert all(record in pending for record in postbox.records)
        heads = await store.events.heads([record.channel for record in pending])
        assert {head.epoch for head in heads.values()} == {epoch}


async def test_a_full_queue_refuses_at_once(
    database: Database, clock: FakeClock, new_id: SerialIds, postbox: Postbox
) -> None:
    async with _opened(database, clock, new_id, postbox, queued_jobs_max=4) as store:
        with database.locked():
            pings = [asyncio.create_task(store.ping()) for _ in range(20)]
            results = await asyncio.gather(*pings, return_exceptions=True)
        assert "too many commits are waiting" in {str(result) for result in results}
        await store.ping()


def _opened(
    database: Database,
    clock: FakeClock,
    new_id: SerialIds,
    postbox: Postbox,
    queued_jobs_max: int = 1_024,
) -> AbstractAsyncContextManager[Store]:
    return open_store(
        database.settings,
        render=render,
        publisher=postbox,
        new_id=new_id,
        clock=clock,
        queued_jobs_max=queued_jobs_max,
    )
