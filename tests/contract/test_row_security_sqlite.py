"""Row-level security on SQLite: raw SQL as each role, against every table of the schema.

What a caller's connection may show is stated here once more, in Python, and compared with
what any statement brings. A table without a statement here fails.
"""

# ruff: noqa: S608  # names of tables, out of the schema, and attacks, which are the matter

import sqlite3
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from actors.domain.principal import Principal
from actors.ports.appointments import AppointmentQuery
from actors.ports.commits import StoreUnavailable
from store.engine import open_store
from store.sqlite.rules import RULES
from tests.contract.clinic import ADMIN, DAY, Postbox, dentist, patient, render
from tests.contract.engines import Database
from tests.contract.security_world import (
    BOT,
    MAY_SEE,
    World,
    expected,
    key_of,
    keys,
)
from tests.contract.security_world import world as world
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_every_table_of_the_schema_has_a_rule(database: Database) -> None:
    found = database.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    tables = {name for (name,) in found if not name.startswith("sqlite_")}
    assert tables == set(RULES), "a new table needs a rule in store/sqlite/rules.py"
    assert tables == set(MAY_SEE), "and a sentence here that says who may see it"


@pytest.mark.parametrize("table", sorted(MAY_SEE))
async def test_r5_5_every_statement_sees_only_the_rows_of_its_caller(
    world: World, table: str
) -> None:
    listed = ", ".join(f'"{name}"' for name in key_of(table))
    shapes = [
        f'SELECT * FROM "{table}"',
        f"SELECT * FROM {table} WHERE 1 OR 1",
        f"SELECT * FROM temp.{table}",
        f"SELECT * FROM (SELECT * FROM {table})",
        f"WITH x AS (SELECT * FROM {table}) SELECT * FROM x",
        f"WITH {table} AS (SELECT * FROM temp.{table}) SELECT * FROM {table}",
        f"WITH main AS (SELECT * FROM {table}) SELECT * FROM main",
        f"SELECT a.* FROM {table} a LEFT JOIN {table} b ON 1 = 0",
        f"SELECT * FROM {table} WHERE EXISTS (SELECT 1 FROM hub)",
        f"SELECT * FROM {table} UNION SELECT * FROM {table}",
        f"SELECT {listed} FROM {table} GROUP BY {listed}",
        f"SELECT * FROM {table} ORDER BY {listed} DESC LIMIT 1000",
        f"SELECT * FROM {table.upper()}",
        f"SELECT * FROM [{table}]",
        f"SELECT * FROM `{table}`",
    ]
    for name, who in world.principals.items():
        wanted = expected(world, table, who)
        for sql in shapes:
            if "hub" in sql and who is None:
                continue
            assert keys(table, await world.query(who, sql)) == wanted, f"{name}: {sql}"


@pytest.mark.parametrize("table", sorted(MAY_SEE))
async def test_counting_and_summing_count_what_is_theirs(world: World, table: str) -> None:
    column = key_of(table)[0]
    for name, who in world.principals.items():
        count = len(expected(world, table, who))
        for sql in (
            f"SELECT count({column}) AS n FROM {table}",
            f"SELECT count(*) AS n FROM {table}",
            f"SELECT total(1) AS n FROM {table} WHERE {column} IS NOT NULL",
            f"SELECT (SELECT count({column}) FROM {table}) AS n",
            f"SELECT count(x) AS n FROM (SELECT {column} AS x FROM {table})",
        ):
            (found,) = await world.query(who, sql)
            assert (found["n"] or 0) == count, f"{name}: {sql}"


async def test_a_dentist_shows_public_fields_only_and_a_mere_hold_a_name_only(
    world: World,
) -> None:
    public = {"id", "role", "name", "time_zone", "version", "practice_id", "active"}
    for who in (patient(world.pat), dentist(world.bob), ADMIN, BOT):
        (ann,) = await world.query(who, "SELECT * FROM profiles WHERE id = ?", world.ann.id)
        assert {name for name, value in ann.items() if value is not None} <= public
    (hal,) = await world.query(
        dentist(world.ann), "SELECT * FROM profiles WHERE id = ?", world.hal.id
    )
    assert hal["name"] == "Hal"
    assert {name for name, value in hal.items() if value is not None} <= public
    (pat,) = await world.query(
        dentist(world.ann), "SELECT * FROM profiles WHERE id = ?", world.pat.id
    )
    assert (pat["email"], pat["phone"], pat["subject"]) == ("pat@example.org", "2", None)
    assert (pat["date_of_birth"], pat["language"]) == ("1980-03-08", "de-AT")
    (me,) = await world.query(patient(world.pat), "SELECT * FROM profiles WHERE role = 'patient'")
    assert (me["id"], me["email"], me["subject"]) == (world.pat.id, "pat@example.org", "sub-pat")


# --- ways around ---------------------------------------------------------------------

WAYS_AROUND = [
    "SELECT * FROM main.appointments",
    'SELECT id FROM "main"."appointments"',
    "SELECT id FROM MAIN.Appointments",
    "SELECT id FROM [main].[appointments]",
    "SELECT rowid FROM main.appointments",
    "SELECT count(*) FROM main.appointments",
    "SELECT 1 FROM main.appointments",
    "SELECT EXISTS (SELECT 1 FROM main.appointments)",
    "SELECT EXISTS (SELECT * FROM main.appointments WHERE patient_id <> 'x')",
    "SELECT (SELECT id FROM main.appointments LIMIT 1)",
    "SELECT * FROM (SELECT * FROM main.appointments)",
    "SELECT * FROM hub JOIN main.appointments",
    "SELECT * FROM hub WHERE first_epoch IN (SELECT version FROM main.appointments)",
    "SELECT id FROM appointments UNION ALL SELECT id FROM main.appointments",
    "SELECT id FROM appointments ORDER BY (SELECT max(id) FROM main.appointments)",
    "SELECT id FROM hub GROUP BY 1 HAVING (SELECT count(id) FROM main.appointments) > 0",
    "SELECT id FROM hub LIMIT (SELECT count(id) FROM main.appointments)",
    "SELECT main.appointments.id FROM main.appointments",
    "SELECT a.id FROM main.appointments AS a",
    "SELECT a.id FROM main.appointments AS a INDEXED BY ix_appointments_held",
    # Common table expressions that take the name of a view, of a table, of a trigger.
    "WITH appointments AS (SELECT * FROM main.appointments) SELECT * FROM appointments",
    "WITH appointments AS (SELECT * FROM main.appointments) SELECT count(*) FROM appointments",
    "WITH profiles AS (SELECT * FROM main.appointments) SELECT * FROM profiles",
    (
        "WITH appointments_patient_overlap_insert AS (SELECT * FROM main.appointments)"
        " SELECT * FROM appointments_patient_overlap_insert"
    ),
    "WITH temp AS (SELECT * FROM main.appointments) SELECT * FROM temp",
    'WITH "" AS (SELECT * FROM main.appointments) SELECT * FROM ""',
    "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x LIMIT 2",
    # What the statement would do, and what the schema is.
    "EXPLAIN SELECT * FROM appointments",
    "EXPLAIN QUERY PLAN SELECT * FROM appointments",
    "explain query plan SELECT 1",
    "/* a comment */ EXPLAIN SELECT 1",
    "-- a comment\nEXPLAIN SELECT 1",
    *(
        f"SELECT * FROM {name}"
        for name in (
            "sqlite_master",
            "sqlite_schema",
            "sqlite_temp_master",
            "sqlite_temp_schema",
            "main.sqlite_master",
            "temp.sqlite_master",
            "temp.sqlite_temp_master",
            "sqlite_sequence",
            "sqlite_stat1",
            "sqlite_stmt",
            "dbstat",
            "sqlite_dbpage",
            "bytecode('SELECT 1')",
            "tables_used('SELECT 1')",
            "pragma_table_info('appointments')",
            "pragma_database_list",
            "pragma_function_list",
            "pragma_table_list",
            "json_each('[1]')",
            "json_tree('[1]')",
            "generate_series(1, 2)",
        )
    ),
    "SELECT count(*) FROM sqlite_master",
    "SELECT count(*) FROM sqlite_temp_master",
    "SELECT EXISTS (SELECT 1 FROM sqlite_temp_master WHERE name > 'appointments_8')",
    "PRAGMA table_info(appointments)",
    "PRAGMA database_list",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA temp_store = FILE",
    # Functions that read files, know the schema, or fail depending on what a row holds.
    "SELECT load_extension('x')",
    "SELECT sum(1) FROM appointments",
    "SELECT fts3_tokenizer('simple')",
    "SELECT readfile('/etc/passwd')",
    "SELECT sqlite_version()",
    "SELECT current_principal('person')",
    "SELECT abs(-9223372036854775808)",
    "SELECT json_extract('x', '$')",
    "SELECT 'a' -> '$'",
    "SELECT id FROM appointments WHERE 'a' LIKE 'a' ESCAPE notes",
    "SELECT id FROM appointments WHERE notes GLOB '*'",
    "SELECT id FROM appointments WHERE notes MATCH 'x'",
    "SELECT zeroblob(1000000000)",
    "SELECT printf('%999999999d', 1)",
    "SELECT randomblob(9)",
    # Other databases, and writing.
    "ATTACH ':memory:' AS other",
    "ATTACH DATABASE 'clinic.db' AS other",
    "DETACH temp",
    "VACUUM INTO 'copy.db'",
    "CREATE TEMP VIEW mine AS SELECT * FROM main.appointments",
    "CREATE TEMP TABLE mine AS SELECT * FROM main.appointments",
    "CREATE TEMP TRIGGER mine AFTER INSERT ON hub BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE mine USING fts5(x)",
    "DROP VIEW appointments",
    "DROP VIEW temp.appointments",
    "DROP TABLE main.appointments",
    "ALTER TABLE appointments RENAME TO mine",
    "INSERT INTO main.hub VALUES (2, 2)",
    "UPDATE appointments SET notes = ''",
    "DELETE FROM main.appointments",
    "WITH x AS (SELECT 1) DELETE FROM main.appointments",
    "WITH x AS (SELECT 1) UPDATE main.hub SET first_epoch = 1 RETURNING *",
    "REINDEX",
    "ANALYZE",
    "SAVEPOINT mine",
    "COMMIT",
    "ROLLBACK",
    "VALUES (1)",
    "SELECT 1; SELECT * FROM appointments",
]


async def test_every_known_way_around_is_closed(world: World) -> None:
    open_ways = []
    for who in (patient(world.pia), dentist(world.ann), ADMIN, None):
        for sql in WAYS_AROUND:
            try:
                found = await world.query(who, sql)
            except (DatabaseError, sqlite3.Error):
                continue
            open_ways.append((who, sql, found))
    assert open_ways == []


async def test_what_was_tried_did_nothing(world: World) -> None:
    before = {table: world.all_rows(table) for table in MAY_SEE}
    for sql in WAYS_AROUND:
        with pytest.raises((DatabaseError, sqlite3.Error)):
            await world.query(dentist(world.ann), sql)
    assert {table: world.all_rows(table) for table in MAY_SEE} == before
    for name, who in world.principals.items():
        found = await world.query(who, "SELECT * FROM appointments")
        assert keys("appointments", found) == expected(world, "appointments", who), name


async def test_the_guarding_view_cannot_be_guessed_and_never_shows(world: World) -> None:
    async with world.clinic.store._readers.caller(BOT) as connection:
        guard = connection.info["guard"]
        secret = guard._views["appointments"]
        other = type(guard)(1)._views["appointments"]
        assert secret != other
        for sql in (*WAYS_AROUND, "SELECT nothing FROM appointments", "SELECT appointments.x"):
            with pytest.raises((DatabaseError, sqlite3.Error)) as refused:
                await connection.exec_driver_sql(sql)
            assert guard._token not in str(refused.value)


async def test_errors_and_order_reveal_no_foreign_rows(world: World) -> None:
    """The same question, whether or not the row it probes for exists."""
    who = patient(world.hal)
    for value in ("of Pia and Bob", "of nobody"):
        for sql in (
            "SELECT id FROM appointments WHERE notes = ?",
            "SELECT CAST(notes AS INTEGER) + 1 FROM appointments WHERE notes = ?",
            "SELECT 1 / (length(notes) - 14) FROM appointments WHERE notes = ?",
            "SELECT total(9223372036854775807) FROM appointments WHERE notes = ? GROUP BY id",
            "SELECT id FROM appointments ORDER BY notes = ?, (SELECT min(notes) FROM appointments)",
            "SELECT 1 FROM hub WHERE ? IN (SELECT notes FROM appointments)",
        ):
            found = await world.query(who, sql, value)
            mine = keys("appointments", found) if "ORDER" in sql else found
            assert mine == (expected(world, "appointments", who) if "ORDER" in sql else [])


# --- what fails depending on a row --------------------------------------------------------

FAILING = (
    "(SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)) > 0",
    "1 IN (SELECT 1 FROM hub LIMIT 'a')",
    "1 IN (SELECT 1 FROM hub LIMIT 1.5)",
    "1 IN (SELECT 1 FROM hub LIMIT 1 OFFSET 'a')",
    "1 IN (SELECT 1 FROM hub LIMIT 'a', 1)",
    "1 IN (SELECT 1 FROM hub LIMIT 1, 'a')",
    "1 IN (SELECT 1 FROM hub LIMIT 1 /* 1 */ || 'a')",
    "1 IN (SELECT 1 FROM hub LIMIT 99999999999999999999)",
    "1 IN (SELECT 1 FROM hub LIMIT (SELECT 'a'))",
    "1 IN (SELECT count(*) OVER (ORDER BY 1 ROWS BETWEEN -1 PRECEDING AND 1 FOLLOWING) FROM hub)",
    "1 IN (SELECT count(*) OVER (ORDER BY 1 RANGE 'a' PRECEDING) FROM hub)",
    "1 IN (SELECT count(*) OVER (ORDER BY 1 GROUPS -1 PRECEDING) FROM hub)",
    "length(replace(hex(zeroblob(100)), '0', hex(zeroblob(100000)))) > 0",
    "length('aaaa' || substr('aaaa', 1)) > 0",
    "'a' LIKE 'a' ESCAPE 'ab'",
    "abs(-9223372036854775808) > 0",
    "json_extract('x', '$') > 0",
    "'x' -> '$' > 0",
    "likelihood(1, 2) > 0",
    "ntile(-1) OVER () > 0",
    "nth_value(1, -1) OVER () > 0",
    "group_concat(zeroblob(1000)) > 0",
    "'a' MATCH 'a'",
)
"""Conditions that can fail while they are evaluated; the guard refuses each before that."""
HIDDEN = {
    "appointments": ("patient_id", "pia"),
    "profiles": ("id", "pia"),
    "audit_log": ("patient_id", "pia"),
    "idempotency_keys": ("scope", "scope of pia"),
    "realtime_events": ("channel", "channel of pia"),
    "event_channels": ("channel", "channel of pia"),
    "calendars": ("dentist_id", "bob"),
}
"""A column of each table, and a value that Hal must not know to exist."""


def probes(table: str, column: str, value: str) -> list[str]:
    """Statements that fail only if a row has the value, if a condition precedes the rule."""
    hit = f"CASE WHEN {column} = '{value}' THEN {{}} END"
    shapes = (
        f"SELECT 1 FROM {table} WHERE {column} = '{value}' AND {hit}",
        f"SELECT 1 FROM {table} WHERE {hit}",
        f"SELECT {hit} FROM {table} WHERE {column} = '{value}'",
        f"SELECT 1 FROM {table} WHERE {column} = '{value}' ORDER BY {hit}",
        f"SELECT 1 FROM hub LEFT JOIN {table} ON {column} = '{value}' AND {hit}",
        f"SELECT 1 FROM hub WHERE '{value}' IN (SELECT {column} FROM {table} WHERE {hit})",
    )
    return [shape.format(failing) for shape in shapes for failing in FAILING[::6]]


async def outcome(world: World, sql: str, *params: Any) -> object:
    try:
        return await world.query(patient(world.hal), sql, *params)
    except (DatabaseError, sqlite3.Error) as error:
        return str(getattr(error, "orig", error))


@pytest.mark.parametrize("table", sorted(HIDDEN))
async def test_no_error_tells_whether_a_hidden_row_exists(world: World, table: str) -> None:
    column, name = HIDDEN[table]
    value = {
        "pia": world.pia.id,
        "bob": world.bob.id,
        "scope of pia": patient(world.pia).scope,
        "channel of pia": f"appointments:patient:{world.pia.id}",
    }[name]
    hidden = world.database.query(f"SELECT count(*) FROM {table} WHERE {column} = ?", value)
    assert hidden != [(0,)], "something to hide"
    for there, absent in zip(probes(table, column, value), probes(table, column, "-"), strict=True):
        assert await outcome(world, there) == await outcome(world, absent), there


async def test_what_may_fail_is_refused_before_it_runs(world: World) -> None:
    for failing in FAILING:
        with pytest.raises((DatabaseError, sqlite3.Error)):
            await world.query(patient(world.hal), f"SELECT 1 FROM hub WHERE {failing}")
    for bound in ("a", 1.5, None, b"1"):
        assert "LIMIT" in str(await outcome(world, "SELECT 1 FROM hub LIMIT ?", bound))
    for value in ("x" * 1_000_001, b"x" * 1_000_001):
        assert "too long" in str(await outcome(world, "SELECT 1 FROM hub WHERE 1 = ?", value))
    assert await outcome(world, "SELECT 1 AS n FROM hub LIMIT ? OFFSET ?", 1, 0) == [{"n": 1}]
    wide = ", ".join(["1"] * 65)
    assert "too many columns" in str(await outcome(world, f"SELECT {wide} FROM hub"))


async def test_allowed_operators_fail_for_no_value(world: World) -> None:
    """What is left to callers, with the values at which functions of SQL tend to fail."""
    values = (
        *("NULL", "0", "-1", "9223372036854775807", "-9223372036854775808", "1e308", "-9e999"),
        *("''", "'a'", "x''", "x'4100'", "'-'"),
    )
    unary = (
        *("- {0}", "~{0}", "NOT {0}", "CAST({0} AS INTEGER)", "CAST({0} AS NUMERIC)"),
        *("CAST({0} AS BLOB)", "{0} ISNULL", "{0} COLLATE NOCASE", "length({0})", "lower({0})"),
        *("upper({0})", "trim({0})", "typeof({0})", "avg({0})", "total({0})", "count({0})"),
    )
    binary = ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "<", "=", "IS", "AND", "OR")
    functions = ("instr", "ifnull", "nullif", "min", "max", "coalesce", "trim", "substr")
    shapes = [shape.format(one) for shape in unary for one in values]
    for one in values:
        for other in values:
            shapes += [f"{one} {operator} {other}" for operator in binary]
            shapes += [f"{name}({one}, {other})" for name in functions]
            shapes += [f"substr('abc', {one}, {other})", f"{one} BETWEEN {other} AND {one}"]
            shapes += [f"{one} IN ({other})", f"({one}, 1) < ({other}, 2)"]
    for n in range(0, len(shapes), 60):
        assert len(await world.query(BOT, f"SELECT {', '.join(shapes[n : n + 60])} FROM hub")) == 1


async def test_a_long_statement_of_a_caller_is_interrupted(
    database: Database, clock: FakeClock, new_id: SerialIds
) -> None:
    settings = replace(database.settings, statement_timeout_ms=50)
    numbers = ", ".join(f"(SELECT 1 UNION ALL SELECT 2) AS x{n}" for n in range(40))
    store = open_store(settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock)
    async with store as opened:
        with pytest.raises(StoreUnavailable, match="interrupted"):
            async with opened._readers.caller(BOT) as connection:
                await connection.exec_driver_sql(f"SELECT count(*) FROM {numbers}")
        async with opened._readers.caller(BOT) as connection:
            assert (await connection.exec_driver_sql("SELECT 1 FROM hub")).all() == [(1,)]


# --- what row security cannot hide: docs/security.md says so ------------------------------


async def test_numbers_of_own_entries_tell_how_much_happens_elsewhere(world: World) -> None:
    sql = "SELECT id FROM audit_log ORDER BY id"
    ids = [row["id"] for row in await world.query(dentist(world.bob), sql)]
    assert ids[-1] > len(ids), "the entries of others are counted, too"


async def test_connection_in_the_pool_shows_no_rows(world: World) -> None:
    store = world.clinic.store
    async with store._readers.caller(patient(world.pat)) as connection:
        guard = connection.info["guard"]
        assert guard._facts["person"] == world.pat.id
    assert guard._facts == {}
    async with store._readers._callers.connect() as unbound:
        assert unbound.info["guard"]._facts == {}
        assert (await unbound.exec_driver_sql("SELECT * FROM appointments")).all() == []


async def test_a_statement_prepared_for_one_caller_serves_the_next_one_as_theirs(
    world: World,
) -> None:
    sql = "SELECT id, notes FROM appointments"
    for _ in range(3):
        for who in (patient(world.pat), patient(world.pia), None, dentist(world.ann)):
            found = await world.query(who, sql)
            assert keys("appointments", found) == expected(world, "appointments", who)


# --- speed ---------------------------------------------------------------------------


async def plan_of(world: World, who: Principal, sql: str) -> str:
    """EXPLAIN QUERY PLAN under the guard, past the gate that refuses callers EXPLAIN."""
    async with world.clinic.store._readers.caller(who) as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        async with raw.execute(f"EXPLAIN QUERY PLAN {sql}") as found:
            return "\n".join(line for *_, line in await found.fetchall())


@pytest.mark.parametrize(
    ("role", "index"),
    [
        ("ann", "ix_appointments_dentist_id_starts_at_id"),
        ("pat", "ix_appointments_patient_id_starts_at_id"),
    ],
)
async def test_lists_use_the_same_indexes_as_without_row_security(
    world: World, role: str, index: str
) -> None:
    who = world.principals[role]
    assert who
    statements: list[str] = []
    engine = world.clinic.store._readers._callers.sync_engine

    def listen(_c: Any, _cursor: Any, statement: str, params: Any, *_: Any) -> None:
        for value in params if statement != "BEGIN" else ():
            literal = f"'{value}'" if isinstance(value, str) else str(value)
            statement = statement.replace("?", literal, 1)
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    now = world.clinic.clock.now()
    query = AppointmentQuery(
        statuses=frozenset(), starts_from=now, starts_before=now + 7 * DAY, limit=50
    )
    await world.clinic.store.appointments.page(who, query)
    event.remove(engine, "before_cursor_execute", listen)
    lists = [sql for sql in statements if "appointments" in sql and sql.startswith("SELECT")]
    assert len(lists) >= 2
    for sql in lists[:2]:
        plan = await plan_of(world, who, sql)
        assert f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan, plan
        assert "starts_at>" in plan, plan
        cut, _, named = plan.partition("SCAN page")  # of the rows of one page, once found
        assert "SCAN" not in (cut + named).replace("SCAN CONSTANT ROW", ""), plan
        assert "TEMP B-TREE" not in cut, plan
