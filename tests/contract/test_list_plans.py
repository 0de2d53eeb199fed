"""Every list under row-level security finds its rows by an index, and not by looking at all."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.engine import Store, open_store
from store.settings import DatabaseSettings
from tests.contract.clinic import Postbox, render
from tests.contract.engines import Database, PostgresDatabase, SqliteDatabase, fresh_database
from tests.support.clock import FakeClock
from tests.support.database import OnPostgres
from tests.support.ids import SerialIds
from tests.support.large_clinic import DENTIST, PATIENT, READINGS, LargeClinic, Reading, plans

CLINIC = LargeClinic(rows=60_000, per_dentist=600)
LARGE = "appointments|profiles|realtime_events|audit_log|idempotency_keys"
_LOOKS_AT_ALL = re.compile(f"Seq Scan on ({LARGE})|SCAN ({LARGE})(?! USING)")
_WEEK = "ix_appointments_dentist_id_starts_at_id"
BY_INDEX = {
    "a dentist's week": _WEEK,
    "a dentist's first page": _WEEK,
    "a dentist's latest page": _WEEK,
    "a dentist's holds": "ix_appointments_",
    "what changed at a practice": "ix_appointments_",
    "a patient's list": "ix_appointments_patient_id_starts_at_id",
    "its history": "ix_audit_log_resource_id",
    "a dentist's patients": "ix_appointments_own_patients",
    "patients with a text": "ix_appointments_own_patients",
    "a patient by phone and birthday": "ix_profiles_",
    "one's own patient": "ix_appointments_own_patients",
    "the dentists": "ix_profiles_role_name_id",
    "one appointment": "",
    "events since an offset": "",
    "heads of channels": "",
}
"""Empty where it is the primary key's, which each engine calls as it likes."""


@pytest.fixture(scope="module")
def large_clinic(
    template: Path | str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with fresh_database(template, tmp_path_factory.mktemp("large_clinic")) as database:
        if isinstance(database, PostgresDatabase):
            CLINIC.fill(OnPostgres(server=database.server, name=database.name))
        else:
            assert isinstance(database, SqliteDatabase)
            CLINIC.fill(database.path)
        yield database


async def planned(store: Store, reading: Reading) -> str:
    plan_text = await plans(store, reading, "COSTS off")
    assert plan_text, "it asked the database nothing"
    return "\n".join(line for _, lines in plan_text for line in lines)


async def test_every_list_finds_its_rows_by_an_index(
    large_clinic: Database, clock: FakeClock, new_id: SerialIds
) -> None:
    opened = open_store(
        DatabaseSettings(url=large_clinic.url),
        render=render,
        publisher=Postbox(),
        new_id=new_id,
        clock=clock,
    )
    async with opened as store:
        for reading in READINGS:
            assert reading.found(await reading.read(store)), reading.name
            plan = await planned(store, reading)
            assert not _LOOKS_AT_ALL.search(plan), f"{reading.name}:\n{plan}"
            assert BY_INDEX[reading.name] in plan, f"{reading.name}:\n{plan}"


async def test_a_look_at_all_rows_would_be_noticed(
    large_clinic: Database, clock: FakeClock, new_id: SerialIds
) -> None:
    """The same question without what the list knows, so that the plan must be the bad one."""
    opened = open_store(
        DatabaseSettings(url=large_clinic.url),
        render=render,
        publisher=Postbox(),
        new_id=new_id,
        clock=clock,
    )

    async def by_notes(store: Store) -> None:
        for who in (DENTIST, PATIENT):
            async with store._readers.caller(who) as connection:
                await connection.exec_driver_sql("SELECT id FROM profiles WHERE time_zone = 'x'")

    async with opened as store:
        plan = await planned(store, Reading(name="by time zone", read=by_notes))
        assert _LOOKS_AT_ALL.search(plan), plan
