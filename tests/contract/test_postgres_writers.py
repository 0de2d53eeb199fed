"""What is PostgreSQL's own: transactions side by side, races, lost connections, poolers."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, cast

import pytest

from actors.ports.commits import (
    Committed,
    ConstraintViolated,
    Fenced,
    OutcomeUnknown,
    StoreUnavailable,
)
from store.engine import Store, open_store
from store.migrations.migrate import SchemaTooOld
from store.postgres.writer import PostgresWriters
from store.settings import DatabaseSettings
from store.sql.prepared import Done, Plan, execute
from store.sql.writer import single_job
from tests.contract.clinic import DAY, Clinic, Postbox, booked, render
from tests.contract.engines import PostgresDatabase
from tests.contract.test_records import renamed
from tests.support.eventually import eventually
from tests.support.pooler import Pooler, pooler_to
from tests.support.ports import free_port

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


def opened(
    url: str,
    clinic: Clinic,
    *,
    postbox: Postbox | None = None,
    lock_timeout_ms: int = 500,
    **settings: Any,
) -> AbstractAsyncContextManager[Store]:
    """Another hub on the same database."""
    return open_store(
        DatabaseSettings(url=url, lock_timeout_ms=lock_timeout_ms, **settings),
        render=render,
        publisher=postbox or Postbox(),
        new_id=clinic.new_id,
        clock=clinic.clock,
    )


def beside(clinic: Clinic, store: Store) -> Clinic:
    """The same clinic, through the other hub."""
    other = Clinic(store, clinic.clock, clinic.new_id, Postbox())
    other.kind = clinic.kind
    return other


# --- two hubs --------------------------------------------------------------------------


async def test_of_two_hubs_that_believe_they_own_a_calendar_the_fenced_one_writes_nothing(
    clinic: Clinic, database: PostgresDatabase
) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    former = await clinic.open(ann)
    tables = ("appointments", "event_log", "event_channels", "idempotency_keys", "audit_log")
    async with opened(database.url, clinic) as store:
        other = beside(clinic, store)
        present = await other.open(ann)
        before = [database.query(f"SELECT * FROM {table}") for table in tables]  # noqa: S608  # ours
        for n in range(1, 4):
            turn = clinic.turn(booked(clinic.row(ann, pat, clinic.clock.now() + n * DAY)))
            with pytest.raises(Fenced):
                await clinic.commit(former, turn)
        assert [database.query(f"SELECT * FROM {table}") for table in tables] == before  # noqa: S608  # ours
        await other.commit(present, other.turn(booked(other.row(ann, pia))))


async def test_at_the_instant_of_a_take_over_one_of_both_has_written(
    clinic: Clinic, database: PostgresDatabase
) -> None:
    """The fence is raised while the former owner commits: what it has, the new one loads."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    async with opened(database.url, clinic) as store:
        other = beside(clinic, store)
        for n in range(1, 16):
            former = await clinic.open(ann)
            row = clinic.row(ann, pat, clinic.clock.now() + n * DAY)
            written, loaded = await asyncio.gather(
                clinic.commit(former, clinic.turn(booked(row))),
                other.open(ann),
                return_exceptions=True,
            )
            assert not isinstance(loaded, BaseException), loaded
            assert isinstance(written, Committed | Fenced)
            assert (row in loaded.rows) == isinstance(written, Committed)


async def test_two_patients_two_dentists_two_hubs_and_the_same_time_one_wins(
    clinic: Clinic, database: PostgresDatabase
) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    async with opened(database.url, clinic) as store:
        other = beside(clinic, store)
        at_ann, at_bob = await clinic.open(ann), await other.open(bob)
        for n in range(1, 16):
            start = clinic.clock.now() + n * DAY
            results = await asyncio.gather(
                clinic.commit(at_ann, clinic.turn(booked(clinic.row(ann, pat, start)))),
                other.commit(at_bob, other.turn(booked(other.row(bob, pat, start)))),
                return_exceptions=True,
            )
            assert sorted(type(result).__name__ for result in results) == [
                "Committed",
                "TurnRefused",
            ]


# --- transactions ----------------------------------------------------------------------


async def test_a_bug_in_one_plan_poisons_nothing(
    clinic: Clinic, logged: list[MutableMapping[str, Any]]
) -> None:
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")

    def broken() -> Plan[Done[None]]:
        yield from execute(clinic.store._sql.types)
        raise LookupError("a bug")

    for _ in range(20):
        with pytest.raises(LookupError):
            await clinic.store._writer.run(single_job(broken))
    await asyncio.gather(clinic.save(renamed(pat)), clinic.save(renamed(pia)))
    assert "plan_failed" in [entry["event"] for entry in logged]


async def test_a_value_that_postgresql_cannot_hold_fails_its_turn_alone(clinic: Clinic) -> None:
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    huge = clinic.record_turn(renamed(pat), version=2**70)
    results = await asyncio.gather(
        clinic.store.records.commit_record(huge),
        clinic.save(renamed(pia)),
        return_exceptions=True,
    )
    assert isinstance(results[0], Exception)
    assert not isinstance(results[0], ConstraintViolated)
    assert isinstance(results[1], bytes)


async def test_commits_wait_for_one_another_and_share_a_transaction(
    clinic: Clinic, database: PostgresDatabase
) -> None:
    """While two transactions commit bookings, the next ones become one batch."""
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(7)]
    people = [await clinic.add_patient(f"Pat {n}") for n in range(7)]
    loaded = [await clinic.open(one) for one in dentists]
    turns = [clinic.turn(booked(clinic.row(*pair))) for pair in zip(dentists, people, strict=True)]
    writer, before = cast("PostgresWriters", clinic.store._writer), clinic.store.stats.transactions

    def commit(n: int) -> asyncio.Task[Committed]:
        return asyncio.create_task(clinic.commit(loaded[n], turns[n]))

    with database.server.transaction(database.name) as execute:
        execute("SELECT 1 FROM calendars FOR UPDATE")
        commits = []
        for n in range(2):
            commits.append(commit(n))
            await eventually(lambda: writer._running.total() == len(commits), within_s=5)
        for n in range(2, 7):
            commits.append(commit(n))
            await eventually(lambda: len(writer._queue) == len(commits) - 2, within_s=5)
    await asyncio.gather(*commits)
    assert clinic.store.stats.transactions - before == 3


async def test_a_batch_has_a_bounded_number_of_turns(
    clinic: Clinic, database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn takes locks of a table that all sessions share."""
    monkeypatch.setattr("store.postgres.writer.BATCH_TURNS_MAX", 2)
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(7)]
    people = [await clinic.add_patient(f"Pat {n}") for n in range(7)]
    loaded = [await clinic.open(one) for one in dentists]
    turns = [clinic.turn(booked(clinic.row(*pair))) for pair in zip(dentists, people, strict=True)]
    writer = cast("PostgresWriters", clinic.store._writer)
    with database.server.transaction(database.name) as execute:
        execute("SELECT 1 FROM calendars FOR UPDATE")
        commits = []
        for one, turn in zip(loaded, turns, strict=True):
            commits.append(asyncio.create_task(clinic.commit(one, turn)))
            await asyncio.sleep(0)
        await eventually(lambda: len(writer._queue) <= 5, within_s=5)
        clinic.store.stats.largest_batch = 0
    await asyncio.gather(*commits)
    assert clinic.store.stats.largest_batch == 2


async def test_what_lost_a_race_is_tried_again(
    clinic: Clinic, database: PostgresDatabase, logged: list[MutableMapping[str, Any]]
) -> None:
    """Two plans take two locks crosswise: PostgreSQL ends one, and it wins the next time."""
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    sql = clinic.store._sql

    def crossing(first: str, second: str) -> Plan[Done[str]]:
        yield from execute(sql.raise_fence, dentist=first)
        yield from execute(sql.types)  # time for the other to take its first lock
        yield from execute(sql.raise_fence, dentist=second)
        return Done(first)

    def met() -> bool:
        return "transaction_retried" in [entry["event"] for entry in logged]

    async with opened(database.url, clinic, lock_timeout_ms=5_000) as store:
        jobs = [
            single_job(partial(crossing, a, b), declares=(a, b))
            for a, b in [(ann.id, bob.id), (bob.id, ann.id)]
        ]
        for _ in range(200):
            assert await asyncio.gather(*map(store._writer.run, jobs)) == [ann.id, bob.id]
            if met():
                break
    assert met(), "in two hundred rounds they never met"
    assert (await clinic.open(ann)).fence == (await clinic.open(bob)).fence


async def test_a_half_dead_owner_is_waited_for_and_then_ended(
    clinic: Clinic, database: PostgresDatabase
) -> None:
    """It holds the fence's row, and its hub is gone: the server gives up on it in time."""
    ann = await clinic.add_dentist()
    lock = f"SELECT 1 FROM calendars WHERE dentist_id = '{ann.id}' FOR UPDATE"  # noqa: S608  # an id of the test
    with database.server.transaction(database.name) as execute:
        execute("SET LOCAL idle_in_transaction_session_timeout = 800")
        execute(lock)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await clinic.open(ann)
        assert (await clinic.open(ann)).fence > 0


# --- the way to the server ---------------------------------------------------------------


@pytest.fixture
async def pooler(database: PostgresDatabase) -> AsyncIterator[Pooler]:
    async with pooler_to(database.url) as pooler:
        yield pooler


@pytest.mark.parametrize("lost", ["lose the request", "lose the answer"])
async def test_a_connection_lost_at_commit_is_an_unknown_outcome(
    clinic: Clinic, pooler: Pooler, lost: Any
) -> None:
    """COMMIT was not answered; what is stored under the key shows whether it succeeded."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    postbox = Postbox()
    async with opened(pooler.url, clinic, postbox=postbox, prepared_statements=False) as store:
        other = beside(clinic, store)
        loaded, row = await other.open(ann), clinic.row(ann, pat)
        turn = other.turn(booked(row))
        pooler.at_commit = lost
        with pytest.raises(OutcomeUnknown):
            await other.commit(loaded, turn)
        assert postbox.batches == []
        again = await other.open(ann)
        written = await store.calendars.replies([turn.key])
        assert bool(written) == (row in again.rows) == (lost == "lose the answer")


async def test_a_server_that_is_not_there_is_unavailable(clinic: Clinic) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        async with opened(f"postgresql://hub@127.0.0.1:{free_port()}/clinic", clinic):
            pytest.fail("it opened")


async def test_a_database_that_was_never_migrated_is_refused(
    clinic: Clinic, database: PostgresDatabase
) -> None:
    empty = database.server.create()
    try:
        with pytest.raises(SchemaTooOld, match="chairside migrate"):
            async with opened(database.server.url(empty), clinic):
                pytest.fail("it opened")
    finally:
        database.server.drop(empty)
