"""Prepared statements compile for every engine, and use indexes."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Dialect, bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg

from store.migrations.migrate import upgrade
from store.sql.prepared import Statement
from store.sql.schema import appointments, profiles
from store.sql.write_statements import WriteStatements


def statements(dialect: Dialect) -> dict[str, Statement]:
    found = WriteStatements(dialect)
    return {
        name: value
        for each in (found, found.events, found.webhooks)
        for name, value in vars(each).items()
        if isinstance(value, Statement)
    }


STATEMENTS = sorted(statements(sqlite.dialect()))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("statements") / "clinic.db"
    upgrade(f"sqlite:///{path}")
    return path


POSTGRESQL: Dialect = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own


@pytest.mark.parametrize("dialect", [sqlite.dialect(), POSTGRESQL], ids=lambda d: d.name)
def test_every_statement_compiles_in_every_dialect(dialect: Dialect) -> None:
    found = statements(dialect)
    assert all(found[name].sql for name in STATEMENTS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_sqlite_accepts_every_statement(name: str, migrated: Path) -> None:
    connection = sqlite3.connect(migrated)
    statement = statements(sqlite.dialect())[name]
    connection.execute(f"EXPLAIN {statement.sql}", [None] * statement.sql.count("?"))
    connection.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("live_rows", "ix_appointments_dentist_id_starts_at_id"),
        ("live_rows_of", "ix_appointments_patient_id_starts_at_id"),
        ("dentists_of", "ix_appointments_patient_id_starts_at_id"),
        ("recent_replies", "ix_idempotency_keys_dentist_id_created_at"),
        ("heads", "sqlite_autoindex_event_channels_2 (channel=?)"),
        ("mark_event", "sqlite_autoindex_event_channels_2 (channel=? AND offset=?)"),
        ("first_pending", "PRIMARY KEY (event>? AND event<?)"),
        ("keep_heads", "PRIMARY KEY (event>? AND event<?)"),
        ("delete_offsets", "PRIMARY KEY (event>? AND event<?)"),
        ("delete_outcomes", "PRIMARY KEY (event<?)"),
        ("delete_events", "PRIMARY KEY (rowid<?)"),
        ("delete_holds", "ix_appointments_over"),
        ("delete_replies", "PRIMARY KEY (rowid=?)"),
    ],
)
def test_statements_on_large_tables_use_an_index(name: str, index: str, migrated: Path) -> None:
    connection = sqlite3.connect(migrated)
    sql = statements(sqlite.dialect())[name].sql
    values = [None] * sql.count("?")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    connection.close()
    assert index in " ".join(row[3] for row in rows)


def test_a_statement_with_an_unnamed_constant_is_an_error() -> None:
    clause = select(profiles.c.id).where(profiles.c.name == "constant")
    with pytest.raises(AssertionError, match="written out"):
        Statement(clause, sqlite.dialect())


def test_values_are_bound_in_the_order_of_the_text() -> None:
    clause = select(appointments.c.id).where(
        appointments.c.overbooked == bindparam("overbooked"),
        appointments.c.status == bindparam("status"),
    )
    statement = Statement(clause, sqlite.dialect())
    assert statement.bind({"status": "held", "overbooked": True}) == (1, "held")


def test_insert_takes_many_rows_at_once(migrated: Path) -> None:
    statement = statements(sqlite.dialect())["insert_offset"]
    connection = sqlite3.connect(migrated)
    rows = [{"event": n, "channel": f"c{n}", "offset": n} for n in range(3)]
    connection.execute(statement.sql_for(3), [value for n in rows for value in statement.bind(n)])
    found = connection.execute("SELECT * FROM event_channels").fetchall()
    assert found == [(0, "c0", 0), (1, "c1", 1), (2, "c2", 2)]
    connection.close()


def test_a_list_is_one_parameter_and_keeps_its_order(migrated: Path) -> None:
    connection = sqlite3.connect(migrated)
    heads, ids = (statements(sqlite.dialect())[name] for name in ("heads", "event_ids"))
    rows = connection.execute(heads.sql, heads.bind({"channels": ["b", "a", "é"]})).fetchall()
    assert [(channel, offset) for channel, _, offset in rows] == [("b", 0), ("a", 0), ("é", 0)]
    assert connection.execute(ids.sql, ids.bind({"types": ["t", "t"]})).fetchall() == [(1,), (2,)]
    connection.close()


def test_rows_by_key_are_selected_together(migrated: Path) -> None:
    name = WriteStatements(sqlite.dialect()).name
    assert name.takes_many
    with sqlite3.connect(migrated) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {name.sql_for(3)}", ["a", "b", "c"])
        assert "SEARCH profiles USING INDEX" in " ".join(str(row) for row in plan)
    connection.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("live_rows_of", "ix_appointments_patient_id_starts_at_id"),
        ("reply", "sqlite_autoindex_idempotency_keys_1"),
    ],
)
def test_rows_by_several_parameters_are_selected_together(
    name: str, index: str, migrated: Path
) -> None:
    """The index is searched once for each set of them."""
    statement: Statement = getattr(WriteStatements(sqlite.dialect()), name)
    values = ["x"] * 3 * statement.sql.count("?")
    with sqlite3.connect(migrated) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql_for(3)}", values).fetchall()
    connection.close()
    details = [row[3] for row in plan]
    assert [index in detail for detail in details if "given" not in detail][-1:] == [True], details


def test_on_postgresql_many_rows_are_an_array_for_each_value() -> None:
    """Subqueries in an INSERT are kept; in a SELECT only the key becomes an array."""
    sql = WriteStatements(POSTGRESQL)
    offset, fence = sql.events.insert_offset.sql_of_arrays, sql.lock_fence.sql_of_arrays
    assert "SELECT given_1, given_2, given_3" in offset
    assert "FROM unnest($1::BIGINT[], $2::VARCHAR[], $3::BIGINT[]) AS given(" in offset
    assert "dentist_id = ANY($1::VARCHAR[]) ORDER BY calendars.dentist_id FOR UPDATE" in fence


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_parameter_of_many_rows_is_an_array(name: str) -> None:
    statement = statements(POSTGRESQL)[name]
    if statement.takes_many:
        assert statement.sql_of_arrays.count("[]") == statement.sql.count("::")
        assert statement.sql_of_arrays.count("::") == statement.sql.count("::")


def test_the_lock_of_a_practice_does_not_wait_for_rows_that_refer_to_it() -> None:
    """Such rows are written after channels were locked, and fences after the practice."""
    assert WriteStatements(POSTGRESQL).lock_practice.sql.endswith("FOR NO KEY UPDATE")
