"""A query cannot change the principal of its connection: PostgreSQL's reading connections."""

import json

import asyncpg
import pytest

from store.postgres.claims import reading_claims
from store.sql.readers import Lookup
from tests.contract.clinic import DAY, Clinic, booked, dentist, patient
from tests.contract.engines import PostgresDatabase
from tests.contract.outside import Outside
from tests.contract.outside import outside as outside
from tests.contract.security_world import World
from tests.contract.security_world import world as world
from tests.contract.test_reads import DEFAULT

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

NOT_QUESTIONS = (
    "SET LOCAL ROLE hub_writer",
    "RESET ROLE",
    "DO $$ BEGIN PERFORM set_config('role', 'hub_writer', true); END $$",
    "EXPLAIN ANALYZE SELECT * FROM appointments",
    "COPY appointments TO STDOUT",
    "/* SELECT */ SET LOCAL ROLE hub_writer",
    "PREPARE x AS SELECT 1",
    "CREATE TEMP TABLE profiles (id text)",
    "SELECT 1; SET LOCAL ROLE hub_writer",
)

HARDENED = (
    "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO chairside, hub_owner",
)
"""docs/postgresql.md, for an administrator."""


async def test_reading_connection_executes_queries_only(world: World) -> None:
    for sql in NOT_QUESTIONS:
        with pytest.raises(Exception, match=r"may only SELECT|multiple commands"):
            await world.query(patient(world.pat), sql)


async def test_nothing_is_written_even_by_a_question(world: World) -> None:
    for sql in (
        "WITH x AS (DELETE FROM appointments RETURNING 1) SELECT * FROM x",
        "SELECT * FROM appointments FOR UPDATE",
        "SELECT 1 AS n INTO TEMP profiles",
        "SELECT lo_create(1)",
    ):
        with pytest.raises(Exception, match=r"read-only transaction|permission denied"):
            await world.query(patient(world.pat), sql)


async def test_other_sessions_are_neither_shown_nor_ended(world: World) -> None:
    sql = "SELECT query, pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'claims'"
    assert await world.query(patient(world.pat), sql) == []


BECOMING_ANOTHER = (
    """WITH x AS MATERIALIZED (SELECT set_config('request.jwt.claims', '{claims}', true) AS said)
       SELECT a.id FROM x, appointments AS a WHERE x.said IS NOT NULL""",
    """WITH x AS MATERIALIZED (SELECT set_config('role', 'hub_writer', true) AS said)
       SELECT a.id FROM x, appointments AS a WHERE x.said IS NOT NULL""",
    "SELECT set_config('row_security', 'off', true)",
)


async def test_hardened_server_lets_no_query_change_its_principal(
    world: World, clinic: Clinic, database: PostgresDatabase, outside: Outside
) -> None:
    """Without that, the text of a query could change its principal."""
    for statement in HARDENED:
        database.server.run(database.name, statement)
    claims = json.dumps(reading_claims(dentist(world.bob), Lookup()))
    for sql in BECOMING_ANOTHER:
        with pytest.raises(Exception, match="permission denied for function set_config"):
            await world.query(patient(world.pat), sql.replace("{claims}", claims))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            outside.as_reader(patient(world.pat), sql.replace("{claims}", claims))
    row = clinic.row(world.ann, world.eve, clinic.clock.now() + 30 * DAY)
    await clinic.commit(await clinic.open(world.ann), clinic.turn(booked(row)))
    assert (await clinic.store.appointments.page(patient(world.eve), DEFAULT)).rows == (row,)
