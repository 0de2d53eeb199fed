"""Row-level security on PostgreSQL: raw SQL as each role, against every table of the schema.

As the reader, with the claims of each person, every statement shows only their own rows.
As the writer: nothing but what the transaction declared. As the owner: nothing by accident.
"""

# ruff: noqa: S608  # names of tables, out of the schema, and attacks, which are the matter

import json
from functools import partial

import asyncpg
import pytest

from actors.domain.channels import may_join
from actors.ports.commits import ConstraintViolated, Fenced
from store.commit.committer import commit_calendars
from store.commit.event_rows import CommitContext
from store.postgres.claims import MAINTENANCE, POLICIES_FIRST, SHOWN, reading_claims
from store.sql.readers import Lookup
from store.sql.writer import single_job
from tests.contract.clinic import booked, dentist, patient, render
from tests.contract.outside import READ, TABLES, VIEWS, Outside, claiming, closed, schema_of
from tests.contract.outside import outside as outside
from tests.contract.security_world import MAY_SEE, World, key_of, keys
from tests.contract.security_world import world as world
from tests.support.postgres import LOGIN

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

# --- reading ---------------------------------------------------------------------------


def test_every_table_of_the_schema_is_guarded(outside: Outside) -> None:
    """A new table without a policy fails here, as does one that is missing in this test."""
    found = outside.run(
        [],
        "SELECT relname, relrowsecurity, relforcerowsecurity, relkind::text FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    assert sorted(row["relname"] for row in found) == sorted(READ) == sorted(MAY_SEE)
    views = {row["relname"] for row in found if not row["relrowsecurity"]}
    assert views == {"realtime_events"}, "it reads its tables with the rights of the caller"
    shown = outside.run(
        [],
        "SELECT relname, relkind::text, pg_get_userbyid(relowner) AS owner FROM pg_class"
        f" WHERE relnamespace = '{SHOWN}'::regnamespace",
    )
    assert {tuple(row.values()) for row in shown} == {(view, "v", "hub_owner") for view in VIEWS}
    forced = {row["relname"] for row in found if row["relforcerowsecurity"]}
    assert forced == {*TABLES} - {"alembic_version"}
    assert closed(outside) == {"calendars", "cluster", "nodes"}


async def test_r5_5_every_statement_sees_only_the_rows_of_its_caller(outside: Outside) -> None:
    shut = closed(outside)
    for table in (each for each in READ if each not in shut):
        columns = ", ".join(f'"{name}"' for name in key_of(table))
        shapes = (
            f"SELECT * FROM {table}",
            f"SELECT * FROM {schema_of(table)}.{table} WHERE true OR true",
            f"SELECT * FROM (SELECT * FROM {table}) AS x",
            f"WITH x AS MATERIALIZED (SELECT * FROM {table}) SELECT * FROM x",
            f"WITH {table} AS (SELECT * FROM {schema_of(table)}.{table}) SELECT * FROM {table}",
            f"SELECT a.* FROM {table} a LEFT JOIN {table} b ON false",
            f"SELECT * FROM {table} WHERE EXISTS (SELECT 1 FROM hub)",
            f"SELECT * FROM {table} UNION SELECT * FROM {table}",
            f"SELECT {columns} FROM {table} GROUP BY {columns}",
            f"SELECT * FROM {table} ORDER BY {columns} DESC",
            f"SELECT x.* FROM hub CROSS JOIN LATERAL (SELECT * FROM {table}) AS x",
            f"TABLE {table}",
        )
        for name, who in outside.world.principals.items():
            wanted = outside.expected(table, who)
            for sql, found in zip(shapes, outside.all_as_reader(who, shapes), strict=True):
                assert keys(table, found) == wanted, f"{name}: {sql}"


async def test_counting_counts_what_is_theirs(outside: Outside) -> None:
    shut = closed(outside)
    for table in (each for each in READ if each not in shut):
        key = f'"{key_of(table)[0]}"'
        for name, who in outside.world.principals.items():
            count = len(outside.expected(table, who))
            (found,) = outside.as_reader(
                who,
                f"SELECT count(*) AS a, count({key}) AS b, coalesce(sum(1), 0) AS c,"
                f" (SELECT count(*) FROM {table}) AS d FROM {table}",
            )
            assert set(found.values()) == {count}, f"{name}: {table}"


async def test_what_the_reader_has_no_right_to_is_refused(outside: Outside) -> None:
    for table in closed(outside):
        for who in outside.world.principals.values():
            for sql in (f"SELECT * FROM {table}", f"SELECT EXISTS (SELECT 1 FROM {table})"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    outside.as_reader(who, sql)


PROBES = (
    "SELECT 1 FROM appointments WHERE 1 / (CASE WHEN notes ~ 'Pia' THEN 0 ELSE 1 END) = 1",
    "SELECT id FROM appointments ORDER BY 1 / (CASE WHEN notes ~ 'Pia' THEN 0 ELSE 1 END)",
    "SELECT count(*) FROM appointments WHERE CASE WHEN notes ~ 'Pia' THEN notes::int = 1 END",
    "SELECT max(1 / (CASE WHEN phone = '3' THEN 0 ELSE 1 END)) FROM profiles",
    """SELECT 1 FROM realtime_events WHERE channel ~ '^appointments'
       AND 1 / (CASE WHEN encode(payload, 'escape') ~ 'Pia' THEN 0 ELSE 1 END) = 1""",
)


async def test_conditions_and_errors_reveal_no_foreign_rows(outside: Outside) -> None:
    """A condition that fails on a foreign row would have been evaluated on it."""
    for sql in PROBES:
        outside.as_reader(patient(outside.world.pat), sql)
        outside.as_reader(dentist(outside.world.ann), sql)
        with pytest.raises(asyncpg.DataError):
            outside.as_reader(patient(outside.world.pia), sql)


DIVIDES = "1 / (SELECT count(*) FROM hub WHERE false)"
"""It fails, but has no column in it, so PostgreSQL takes conditions with it for leakproof."""
HIDDEN = {
    "appointments": "patient_id = '{pia}'",
    "profiles": "profiles.id = '{pia}' AND name < 'Pib'",
    "audit_log": "patient_id = '{pia}'",
    "realtime_events": "channel = 'appointments:patient:{pia}'",
    "event_channels": "starts_with(channel, 'appointments:patient:{pia}')",
    "idempotency_keys": "scope = '{scope}'",
    "webhooks": "scope = 'chatbot:bot|'",
}
"""A condition that holds for a row of each table, and that Hal must not know to hold."""


def probes(table: str, condition: str) -> tuple[str, ...]:
    hit = f"CASE WHEN {condition} THEN {DIVIDES} ELSE 1 END"
    return (
        f"SELECT 1 FROM {table} WHERE {hit} = 1",
        f"SELECT 1 FROM {table} WHERE {condition} AND 1 / (random() * 0)::int = 1",
        f"SELECT 1 FROM {table} HAVING count(*) FILTER (WHERE {hit} = 1) < 0",
        f"SELECT 1 FROM hub LEFT JOIN {table} ON {hit} = 1 WHERE false",
        f"SELECT 1 FROM hub WHERE EXISTS (SELECT 1 FROM {table} WHERE {hit} = 0)",
        f"SELECT 1 FROM hub JOIN {table} ON {hit} = hub.id AND {hit} = 0",
        f"SELECT 1 FROM hub CROSS JOIN LATERAL (SELECT 1 FROM {table} WHERE {hit} = 0) AS x",
        f"SELECT 1 FROM generate_series(1, 2) AS n JOIN {table} ON {hit} = n + 1",
        f"SELECT 1 FROM {table} WHERE {hit} = 0 ORDER BY {hit}",
    )


def condition(world: World, table: str, *, holds: bool = True) -> str:
    text = HIDDEN[table].format(pia=world.pia.id, scope=patient(world.pia).scope)
    return text if holds else text.replace("= '", "= '-").replace("channel, '", "channel, '-")


def outcome(outside: Outside, sql: str) -> object:
    try:
        return outside.as_reader(patient(outside.world.hal), sql)
    except asyncpg.DivisionByZeroError as error:
        return str(error)


async def test_no_error_tells_what_a_hidden_row_holds(outside: Outside) -> None:
    """The same outcome, whether or not there is a hidden row for which the condition holds."""
    world = outside.world
    for table in HIDDEN:
        there, absent = condition(world, table), condition(world, table, holds=False)
        assert outside.run([], f"SELECT 1 FROM {table} WHERE {there}"), "something to hide"
        assert not outside.run([], f"SELECT 1 FROM {table} WHERE {absent}")
        for one, other in zip(probes(table, there), probes(table, absent), strict=True):
            assert outcome(outside, one) == outcome(outside, other), one


async def test_no_error_tells_what_a_hidden_event_holds(outside: Outside) -> None:
    """Neither its payload nor its delivery, which stand in other tables than its channel."""
    hal = patient(outside.world.hal)
    events = outside.all_rows("realtime_events")
    hidden = [row for row in events if not may_join(hal, row["channel"])]
    shown = {row["payload"] for row in events} - {row["payload"] for row in hidden}
    payload = next(row["payload"].hex() for row in hidden if row["payload"] not in shown)
    latency_ms = next(row["latency_ms"] for row in hidden if row["latency_ms"] is not None)
    for there, absent in (
        (f"payload = '\\x{payload}'", f"payload = '\\x{payload}00'"),
        (f"latency_ms = {latency_ms}", f"latency_ms = {latency_ms} + 0.5"),
    ):
        for one, other in zip(
            probes("realtime_events", there), probes("realtime_events", absent), strict=True
        ):
            assert outcome(outside, one) == outcome(outside, other), one


async def test_the_hubs_own_connections_evaluate_policies_first(world: World) -> None:
    for table in HIDDEN:
        (sql, *_) = probes(table, condition(world, table))
        await world.query(patient(world.hal), sql)


async def test_without_the_hubs_setting_an_error_tells_it(outside: Outside) -> None:
    """Why the hub sets it; docs/security.md says so to other programs that read."""
    claims = claiming(json.dumps(reading_claims(patient(outside.world.hal), Lookup())))
    bare = ["SET LOCAL ROLE hub_reader", *(s for s in claims if POLICIES_FIRST not in s)]
    for table in ("appointments", "webhooks"):
        (sql, *_) = probes(table, condition(outside.world, table))
        with pytest.raises(asyncpg.DivisionByZeroError):
            outside.run(bare, sql)
        outside.run(["SET LOCAL ROLE hub_reader", *claims], sql)


async def test_places_and_writers_of_own_rows_are_not_shown(outside: Outside) -> None:
    for column in ("ctid", "xmin", "xmax", "cmin", "tableoid"):
        for table in ("appointments", "audit_log", "public.event_channels", "event_log", "hub"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                outside.as_reader(patient(outside.world.pat), f"SELECT {column} FROM {table}")
    granted = outside.run(
        [],
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND relname <> 'alembic_version'"
        " AND has_table_privilege('hub_reader', oid, 'SELECT')",
    )
    assert granted == [], "a table-wide right includes the system columns"


CLOSED_BY_THE_SERVER = (
    "SELECT last_value FROM audit_log_id_seq",
    "SELECT nextval('audit_log_id_seq')",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT query_to_xml('EXPLAIN ANALYZE SELECT 1 FROM appointments', true, true, '')",
    "SELECT * FROM ts_stat('EXPLAIN SELECT 1 FROM appointments')",
    "SELECT 1 FROM pg_statistic",
    "SELECT 1 FROM pg_statistic_ext_data",
    "SELECT 1 FROM pg_authid",
    "CREATE FUNCTION public.f() RETURNS int RETURN 1",
    "CREATE OPERATOR public.=== (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)",
    "CREATE SCHEMA mine",
)
SHOWS_NOTHING = (
    "SELECT 1 FROM pg_stats WHERE schemaname IN ('public', 'hub_shown')",
    "SELECT 1 FROM pg_stats_ext WHERE schemaname = 'public'",
    "SELECT 1 FROM pg_stats_ext_exprs WHERE schemaname = 'public'",
    "SELECT 1 FROM pg_sequences WHERE last_value IS NOT NULL",
    "SELECT 1 FROM hub WHERE pg_sequence_last_value('audit_log_id_seq') IS NOT NULL",
    "SELECT 1 FROM pg_stat_activity WHERE query <> '<insufficient privilege>'",
)


async def test_catalogues_and_sequences_show_no_values(outside: Outside) -> None:
    outside.run([], "ANALYZE")
    for sql in CLOSED_BY_THE_SERVER:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
            outside.as_reader(patient(outside.world.pat), sql)
    for sql in SHOWS_NOTHING:
        assert outside.as_reader(patient(outside.world.pat), sql) == [], sql


NOT_CLOSED = (
    "SELECT pg_relation_size('public.appointments') AS n",
    "SELECT count(n_tup_ins) AS n FROM pg_stat_user_tables WHERE relname = 'appointments'",
    "SELECT count(reltuples) AS n FROM pg_class WHERE relname = 'appointments'",
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS n",
)
"""Figures about all rows that every role of PostgreSQL may read: docs/security.md lists them."""


async def test_sizes_and_activity_of_tables_cannot_be_hidden(outside: Outside) -> None:
    for sql in NOT_CLOSED:
        (found,) = outside.as_reader(patient(outside.world.hal), sql)
        assert found["n"] > 0, sql


REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError)
"""The latter for views of several tables, which nobody can write to."""


async def test_the_reader_writes_nothing(outside: Outside) -> None:
    for table in (f"public.{each}" for each in TABLES):
        for sql in (
            f"DELETE FROM {table}",
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"TRUNCATE {table}",
            f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            f"DROP TABLE {table}",
            f"CREATE TABLE public.x AS SELECT * FROM {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                outside.as_reader(dentist(outside.world.ann), sql)
    for view in (f"{SHOWN}.{each}" for each in VIEWS):
        (column, *_) = key_of(view.rpartition(".")[2])
        for sql in (
            f"UPDATE {view} SET {column} = NULL",
            f"DELETE FROM {view}",
            f"CREATE OR REPLACE VIEW {view} AS SELECT 1 AS id",
            f"ALTER VIEW {view} SET (security_invoker = true)",
            f"DROP VIEW {view}",
            f"CREATE FUNCTION {SHOWN}.hub_claim(name text) RETURNS text RETURN 'hub'",
        ):
            with pytest.raises(REFUSED):
                outside.as_reader(dentist(outside.world.ann), sql)


async def test_hub_sees_only_the_people_it_looks_up(outside: Outside) -> None:
    ann, pat = outside.world.ann, outside.world.pat
    (held,) = outside.as_hub(Lookup(), "appointments")
    assert held["status"] == "held"
    rows = outside.as_hub(Lookup(calendars=(ann.id,)), "appointments")
    assert {row["dentist_id"] for row in rows} == {ann.id}
    delivered = {(row["event"], row["channel"]) for row in outside.all_rows("deliveries")}
    entries = outside.all_rows("event_channels")
    pending = {r["event"] for r in entries if (r["event"], r["channel"]) not in delivered}
    assert {row["id"] for row in outside.as_hub(Lookup(), "event_log")} == pending
    channel = max(delivered)[1]
    of_channel = {row["event"] for row in entries if row["channel"] == channel}
    found = outside.as_hub(Lookup(channels=(channel,)), "event_log")
    assert {row["id"] for row in found} == pending | of_channel > pending
    assert outside.as_hub(Lookup(), "idempotency_keys") == []
    scope = patient(pat).scope
    assert {r["scope"] for r in outside.as_hub(Lookup(scopes=(scope,)), "idempotency_keys")} == {
        scope
    }


# --- whom the hub is ------------------------------------------------------------------


async def test_the_login_itself_has_no_rights_at_all(outside: Outside) -> None:
    server, name = outside.database.server, outside.database.name
    for table in TABLES:
        if table != "alembic_version":
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                server.run(name, f"SELECT * FROM {table}", user=LOGIN)
    for role in ("hub_owner", "postgres"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            server.run(name, f"SET ROLE {role}", user=LOGIN)


async def test_the_roles_cannot_pass_by_the_policies(outside: Outside) -> None:
    found = outside.run(
        [],
        "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles"
        " WHERE rolname IN ('hub_owner', 'hub_writer', 'hub_reader')",
    )
    assert len(found) == 3
    assert not any(r["rolsuper"] or r["rolbypassrls"] or r["rolcanlogin"] for r in found)
    owned = outside.run([], "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tableowner"] for row in owned] == ["hub_owner"]


async def test_owner_sees_rows_only_for_maintenance(outside: Outside) -> None:
    for table in (each for each in TABLES if each != "alembic_version"):
        assert outside.run(["SET LOCAL ROLE hub_owner"], f"SELECT * FROM {table}") == []
        assert outside.run([*MAINTENANCE], f"SELECT * FROM {table}") == outside.all_rows(table)


# --- writing --------------------------------------------------------------------------


async def test_write_for_another_person_is_refused(outside: Outside) -> None:
    ann, pia = outside.world.ann, outside.world.pia
    stolen = f"UPDATE appointments SET on_behalf_of = '{pia.id}' WHERE dentist_id = '{ann.id}'"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        outside.as_writer(stolen, ann.id)
    outside.as_writer(stolen.replace(pia.id, ann.id), ann.id)
    outside.as_writer(stolen.replace(pia.id, "system"), ann.id)


PENDING = "(event, channel) NOT IN (SELECT event, channel FROM deliveries)"


async def test_a_commit_writes_into_no_calendar_it_did_not_declare(outside: Outside) -> None:
    ann, bob = outside.world.ann, outside.world.bob
    moved = f"UPDATE appointments SET dentist_id = '{bob.id}' WHERE dentist_id = '{ann.id}'"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        outside.as_writer(moved, ann.id)
    for sql in (
        f"UPDATE appointments SET notes = 'x' WHERE dentist_id = '{bob.id}' RETURNING id",
        f"UPDATE calendars SET fence = 9 WHERE dentist_id = '{bob.id}' RETURNING fence",
        f"UPDATE profiles SET name = 'x' WHERE id = '{bob.id}' RETURNING id",
        f"DELETE FROM appointments WHERE dentist_id = '{ann.id}' RETURNING id",
        f"DELETE FROM event_channels WHERE {PENDING} RETURNING event",
        f"UPDATE event_channels SET event = 0 WHERE {PENDING} RETURNING event",
        "DELETE FROM event_log RETURNING id",
        "DELETE FROM deliveries RETURNING event",
    ):
        assert outside.as_writer(sql, ann.id) == [], sql
    for sql in (
        f"""INSERT INTO event_channels
            SELECT event + 9999, channel, "offset" + 99 FROM event_channels
            WHERE channel ~ '{bob.id}'""",
        """UPDATE event_channels SET event = event + 9999
            WHERE (event, channel) IN (SELECT event, channel FROM deliveries)""",
        f"""INSERT INTO audit_log (at, action, role, subject, resource_kind, dentist_id, request_id)
            VALUES (now(), 'a', 'r', 's', 'k', '{bob.id}', 'r')""",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            outside.as_writer(sql, ann.id)
    for sql in (
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "DELETE FROM profiles",
        "UPDATE event_log SET payload = ''",
        'UPDATE event_channels SET "offset" = 9',
        "UPDATE deliveries SET channel = 'x'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            outside.as_writer(sql, ann.id)


async def test_only_a_declared_patient_joins_a_declared_practice(
    world: World, outside: Outside
) -> None:
    here, ann = world.sue.practice_id, world.ann
    assert here

    def joining(who: str) -> str:
        row = f"'{here}', '{who}', 'booked', now()"
        return f"INSERT INTO practice_patients VALUES ({row}) RETURNING patient_id"  # ids

    for who, declared in (
        (world.pat.id, (ann.id,)),
        (world.pat.id, (here,)),
        (world.pat.id, (here, ann.id)),
        (world.pat.id, (ann.id, world.pat.id)),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            outside.as_writer(joining(who), *declared)
    assert outside.as_writer(joining(world.pat.id), here, world.pat.id)


async def test_only_a_merged_patient_leaves_a_practice(world: World, outside: Outside) -> None:
    here, mel, pat = world.sue.practice_id, world.mel, world.pat
    assert here
    rows = ", ".join(f"('{here}', '{who.id}', 'created', now())" for who in (mel, pat))
    world.database.query(f"INSERT INTO practice_patients VALUES {rows}")

    def left(who: str, *declared: str) -> list[dict[str, object]]:
        sql = f"DELETE FROM practice_patients WHERE patient_id = '{who}' RETURNING patient_id"
        return outside.as_writer(sql, *declared)

    assert left(pat.id, here, pat.id) == left(mel.id, here) == left(mel.id, mel.id) == []
    assert len(left(mel.id, here, mel.id)) == 1


async def test_commit_for_another_person_violates_a_constraint(world: World) -> None:
    """The same bug through the store: an error of ours, and nothing is written."""
    clinic = world.clinic
    row = clinic.row(world.ann, world.eve)
    turn = clinic.turn(booked(row), by=patient(world.pia))
    with pytest.raises(ConstraintViolated, match="row-level security"):
        await clinic.commit(await clinic.open(world.ann), turn)
    assert await clinic.stored(row) is None


async def test_a_plan_that_declares_another_calendar_owns_none(world: World) -> None:
    clinic, store = world.clinic, world.clinic.store
    row = clinic.row(world.ann, world.eve)
    commit = clinic.commit_of(await clinic.open(world.ann), clinic.turn(booked(row)))
    context = CommitContext(sql=store._sql, render=render, new_id=clinic.new_id)
    plan = partial(commit_calendars, (commit,), context)
    with pytest.raises(Fenced):
        await store._writer.run(single_job(plan, declares=(world.bob.id,)))
    assert await clinic.stored(row) is None
