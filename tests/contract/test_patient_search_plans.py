"""A search reads a bounded number of words and profiles, each by an index."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from actors.domain.principal import Principal
from actors.ports.profiles import FOUND_MAX
from store.engine import Store, open_store
from store.postgres.opening import asyncpg_dialect
from store.settings import DatabaseSettings
from store.sql.write_statements import WriteStatements
from tests.contract.clinic import Postbox, render
from tests.contract.engines import Database, PostgresDatabase, fresh_database
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds
from tests.support.large_clinic import Reading, plans
from tests.support.many_patients import DESK, LARGE, SEARCHES, SMALL_DESK, ManyPatients
from tests.support.postgres import ADMIN

_LOOKS_AT_ALL = re.compile(r"Seq Scan on (patient_words|profiles)|SCAN (patient_words|profiles)\b")
_ON_SQLITE = "EXPLAIN QUERY PLAN", '["+491761200345"]'
_BY_WORDS = re.compile(r"using pk_patient_words|PRIMARY KEY \(practice_id=\? AND word>\? AND word<")


@pytest.fixture(scope="module")
def filled(template: Path | str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with fresh_database(template, tmp_path_factory.mktemp("many_patients")) as database:
        many = ManyPatients(patients=4_000)
        if isinstance(database, PostgresDatabase):
            many.fill(database.server.url(database.name, ADMIN))
            database.server.run(database.name, "VACUUM (ANALYZE)")
        else:
            many.fill(database.url)
        yield database


@pytest.fixture
async def store(filled: Database, clock: FakeClock, new_id: SerialIds) -> AsyncIterator[Store]:
    opened = open_store(
        DatabaseSettings(url=filled.url),
        render=render,
        publisher=Postbox(),
        new_id=new_id,
        clock=clock,
    )
    async with opened as store:
        yield store


def searching(by: Principal, text: str) -> Reading:
    return Reading(
        name=text, read=lambda s: s.profiles.search(by, text, limit=20, after=None, region="DE")
    )


@pytest.mark.parametrize("text", SEARCHES.values(), ids=SEARCHES)
async def test_a_search_reads_words_by_their_index(store: Store, text: str) -> None:
    for by in (DESK, SMALL_DESK):
        found = await plans(store, searching(by, text), "COSTS off")
        lines = "\n".join(line for _, plan in found for line in plan)
        assert not _LOOKS_AT_ALL.search(lines), lines
        assert _BY_WORDS.search(lines) or text == SEARCHES["no words"], lines


def test_a_new_patient_is_compared_with_those_that_an_index_finds(filled: Database) -> None:
    """In the commit, while all bookings wait: not with every patient."""
    on_postgresql = isinstance(filled, PostgresDatabase)
    sql = WriteStatements(asyncpg_dialect() if on_postgresql else sqlite.dialect())
    explain, phones = ("EXPLAIN", ["+491761200345"]) if on_postgresql else _ON_SQLITE
    given = {
        "practice": LARGE,
        "at_most": 500,
        "email": "p345@example.org",
        "phones": phones,
        "born": "1980-03-08",
        "named": "Maria Weber",
    }
    for statement, index in (
        (sql.same_contact, "ix_profiles_phone_key"),
        (sql.same_birthday, "ix_profiles_date_of_birth"),
        (sql.same_name, "role_name_id"),
    ):
        found = filled.query(f"{explain} {statement.sql}", *statement.bind(given))
        lines = "\n".join(str(row[-1]) for row in found)
        assert index in lines, lines
        assert not _LOOKS_AT_ALL.search(lines), lines
        assert not re.search(r"\(role=\?\)", lines), lines


async def test_a_common_word_finds_no_more_than_the_limit(store: Store) -> None:
    page = await store.profiles.search(DESK, "m", limit=20, after=None, region="DE")
    assert page.total == FOUND_MAX
    names = [each.name for each in page.profiles]
    assert names == sorted(names)


async def test_few_patients_among_many_others_are_all_found(store: Store) -> None:
    entered, booked = 10, 3
    page = await store.profiles.search(SMALL_DESK, "0176", limit=20, after=None, region="DE")
    assert page.total == len(page.profiles) == entered + booked
