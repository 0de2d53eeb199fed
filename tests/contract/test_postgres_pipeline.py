"""The pipeline: values in both directions, failures in the middle, and large groups."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from store.postgres.connect import writing
from store.postgres.pipeline import Pipeline
from store.settings import DatabaseSettings
from tests.contract.engines import PostgresDatabase
from tests.support.eventually import eventually
from tests.support.postgres import ADMIN

pytestmark = [pytest.mark.parametrize("engine", ["postgres"], indirect=True)]

VALUES: dict[str, list[Any]] = {
    "VARCHAR": ["", "NULL", None, 'quo"ted', "back\\slash", "{a,b}", "línea\n2", "😀"],
    "BIGINT": [0, -1, None, 2**63 - 1],
    "BOOLEAN": [True, False, None],
    "BYTEA": [b"", b"\x00\xff\\", None],
    "FLOAT": [0.1, -2.5e300, None],
    "TIMESTAMP WITH TIME ZONE": [
        datetime(2026, 3, 29, 1, 30, 0, 123_456, tzinfo=UTC),
        None,
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
}


def settings_for(database: PostgresDatabase, **changed: Any) -> DatabaseSettings:
    return DatabaseSettings(url=database.server.url(database.name, ADMIN), **changed)


@pytest.fixture(params=[True, False], ids=["prepared", "unprepared"])
async def pipeline(
    request: pytest.FixtureRequest, database: PostgresDatabase
) -> AsyncIterator[Pipeline]:
    settings = settings_for(database, prepared_statements=request.param)
    pipeline = await writing(settings)()
    yield pipeline
    await pipeline.close()


@pytest.mark.parametrize("kind", VALUES)
async def test_values_arrive_and_return_unchanged(pipeline: Pipeline, kind: str) -> None:
    values = VALUES[kind]
    await pipeline.execute([("SET TimeZone = 'Asia/Tokyo'", ())])
    one = [(f"SELECT $1::{kind}", (value,)) for value in values]
    many = (f"SELECT * FROM unnest($1::{kind}[])", (values,))  # noqa: S608  # a type
    *single, together = await pipeline.execute([*one, many])
    assert [rows[0][0] for rows in single] == values
    assert [value for (value,) in together] == values


async def test_a_text_with_nul_is_refused_before_anything_is_sent(pipeline: Pipeline) -> None:
    for sql, value in (("SELECT $1::VARCHAR", "a\0b"), ("SELECT $1::VARCHAR[]", ["a\0b"])):
        with pytest.raises(psycopg.DataError):
            await pipeline.execute([("CREATE TABLE never (n int)", ()), (sql, (value,))])
    ((row,),) = await pipeline.execute([("SELECT to_regclass('never')::TEXT", ())])
    assert row == (None,)


async def test_after_a_failure_no_further_call_is_executed(pipeline: Pipeline) -> None:
    count = ("SELECT count(*) FROM kept", ())
    await pipeline.execute([("CREATE TABLE kept (n int)", ())])
    await pipeline.execute([("BEGIN", ())])
    for _ in range(2):  # the second time, some statements are prepared already
        with pytest.raises(psycopg.errors.DivisionByZero):
            await pipeline.execute(
                [
                    ("INSERT INTO kept VALUES (1)", ()),
                    ("SELECT 1 / $1::INTEGER", (0,)),
                    ("INSERT INTO kept VALUES (2)", ()),
                ]
            )
        assert await pipeline.command("ROLLBACK") == "ROLLBACK"
        assert await pipeline.execute([("BEGIN", ()), count, count]) == [[], [(0,)], [(0,)]]
    assert await pipeline.command("COMMIT") == "COMMIT"


async def test_groups_larger_than_every_buffer_pass_both_ways(pipeline: Pipeline) -> None:
    big = b"x" * 3_000_000
    found = await pipeline.execute([("SELECT $1::BYTEA", (big,))] * 5)
    assert found == [[(big,)]] * 5


async def test_a_cancelled_call_closes_the_connection(pipeline: Pipeline) -> None:
    call = asyncio.create_task(pipeline.execute([("SELECT pg_sleep(60)", ())]))
    await asyncio.sleep(0)  # it was sent
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert pipeline.is_closed


async def test_a_silent_server_is_given_up(database: PostgresDatabase) -> None:
    settings = settings_for(database, statement_timeout_ms=100)
    pipeline = await writing(settings, silence_ms=100)()
    with pytest.raises(TimeoutError):
        await pipeline.execute([("SELECT pg_sleep(60)", ())])
    assert pipeline.is_closed


@pytest.mark.parametrize("busy", [True, False])
async def test_a_lost_connection_is_noticed(
    pipeline: Pipeline, database: PostgresDatabase, busy: bool
) -> None:
    call = asyncio.create_task(pipeline.execute([("SELECT pg_sleep($1::FLOAT)", (60.0 * busy,))]))
    await (asyncio.sleep(0) if busy else call)  # it was sent, or answered
    database.server.disconnect(database.name)
    if busy:
        with pytest.raises(psycopg.errors.AdminShutdown):
            await call
    else:
        await eventually(lambda: pipeline.is_closed, within_s=10)
    assert pipeline.is_closed
