"""Columns on PostgreSQL: of a person's row a caller sees no more than is theirs to know."""

# ruff: noqa: S608  # names of tables, out of the schema, and attacks, which are the matter

import json

import pytest

from actors.domain.issuers import EXTERNAL
from store.postgres.claims import SHOWN, reading_claims
from store.sql.readers import Lookup
from tests.contract.clinic import ADMIN, dentist, patient
from tests.contract.outside import Outside, claiming
from tests.contract.outside import outside as outside
from tests.contract.security_world import BOT, Row, keys
from tests.contract.security_world import world as world

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

PUBLIC = {"practice_id", "active", "id", "role", "name", "time_zone", "version"}
"""Of a dentist, to all who are signed in; of a patient with a hold, to that dentist."""

RECORD = {"date_of_birth", "language", "consent"}


def _shown(rows: list[Row], id_: str) -> set[str]:
    """The columns of a profile that have a value."""
    (row,) = [row for row in rows if row["id"] == id_]
    return {name for name, value in row.items() if value is not None}


async def test_a_profile_shows_the_columns_that_are_the_callers(outside: Outside) -> None:
    world = outside.world
    for who in (patient(world.pat), dentist(world.bob), ADMIN, BOT):
        assert _shown(outside.as_reader(who, "SELECT * FROM profiles"), world.ann.id) <= PUBLIC
    anns = outside.as_reader(dentist(world.ann), "SELECT * FROM profiles")
    assert _shown(anns, world.ann.id) >= {"email", "phone", "search_text"}
    assert _shown(anns, world.hal.id) <= PUBLIC
    contact = {"email", "phone", "search_text", "phone_key"}
    assert _shown(anns, world.pat.id) - PUBLIC == contact | RECORD
    assert _shown(anns, world.eve.id) - PUBLIC == {"email", "search_text", "created_by"}
    (me,) = outside.as_reader(patient(world.pat), "SELECT * FROM profiles WHERE role = 'patient'")
    assert (me["subject"], me["email"], me["phone"]) == ("sub-pat", "pat@example.org", "2")


async def test_both_engines_show_the_same_columns_of_people(outside: Outside) -> None:
    """Each person's sight of each profile, against the rule as it stands in Python."""
    world = outside.world
    own = {world.ann.id: {world.pat.id, world.eve.id}, world.bob.id: {world.pat.id, world.pia.id}}
    own[world.kim.id] = {world.pat.id, world.eve.id}
    own |= {world.sue.id: own[world.ann.id], world.tom.id: own[world.bob.id]}
    for name, who in world.principals.items():
        for row in outside.as_reader(who, "SELECT * FROM profiles"):
            assert who is not None
            mine = who.person is not None and row["id"] == who.person
            whole = mine or row["id"] in own.get(who.person or world.hal.id, ())
            assert (row["subject"] is None) or mine, name
            assert row["email_key"] is None, name
            stored = next(r for r in outside.all_rows("profiles") if r["id"] == row["id"])
            for column in ("email", "phone", "search_text", "phone_key", *RECORD):
                assert row[column] == (stored[column] if whole else None), (name, column)


COLUMN_PROBES = (
    "SELECT id FROM profiles WHERE email = 'ann@example.org'",
    "SELECT id FROM profiles WHERE email LIKE 'ann%'",
    "SELECT id FROM profiles WHERE search_text ~ 'ann@'",
    "SELECT id FROM profiles WHERE length(phone) > 0 AND role = 'dentist'",
    "SELECT id FROM profiles WHERE 1 / (CASE WHEN email = 'ann@example.org' THEN 0 ELSE 1 END) > 2",
    "SELECT id FROM profiles WHERE to_jsonb(profiles)::text ~ 'ann@'",
    "SELECT p.id FROM profiles p WHERE p::text ~ 'ann@'",
    "SELECT a.id FROM profiles a JOIN profiles b ON a.email = b.email WHERE a.role = 'dentist'",
    "SELECT max(email) AS x FROM profiles WHERE role = 'dentist' HAVING max(email) IS NOT NULL",
    "SELECT DISTINCT email FROM profiles WHERE role = 'dentist' AND email IS NOT NULL",
    "SELECT most_common_vals::text FROM pg_stats WHERE schemaname ~ 'public|hub'",
    "SELECT 1 FROM pg_stats_ext_exprs WHERE schemaname ~ 'public|hub'",
    "TABLE public.profiles",
    "SELECT 1 FROM public.profiles HAVING count(*) > 0",
)


async def test_conditions_and_errors_reveal_no_hidden_column(outside: Outside) -> None:
    outside.run([], "ANALYZE")
    for sql in COLUMN_PROBES:
        assert outside.as_reader(dentist(outside.world.bob), sql) == [], sql
        assert outside.as_reader(patient(outside.world.pat), sql) == [], sql


async def test_the_table_of_people_shows_callers_nothing_and_the_hub_whom_it_names(
    outside: Outside,
) -> None:
    world = outside.world
    for who in world.principals.values():
        assert outside.as_reader(who, "SELECT * FROM public.profiles") == []
    assert outside.as_hub(Lookup(), "profiles") == []
    for lookup in (
        Lookup(people=(world.pat.id,)),
        Lookup(issuer=EXTERNAL, subjects=("sub-pat",)),
        Lookup(exact="PAT@example.org"),
        Lookup(exact="2"),
    ):
        (found,) = outside.as_hub(lookup, "profiles")
        assert (found["id"], found["email"]) == (world.pat.id, "pat@example.org")


async def test_a_caller_who_claims_to_name_people_sees_no_more(outside: Outside) -> None:
    """Claims that let the hub see more have no effect for callers."""
    world = outside.world
    everything = Lookup(
        calendars=(world.bob.id,),
        channels=(f"appointments:dentist:{world.bob.id}",),
        people=(world.pia.id,),
        issuer=EXTERNAL,
        subjects=("sub-pia",),
    )
    claims = {**reading_claims(None, everything), "role": "dentist", "person": world.ann.id}
    claims["practice"] = world.ann.practice_id
    before = ["SET LOCAL ROLE hub_reader", *claiming(json.dumps(claims))]
    for table in (
        "appointments",
        "public.realtime_events",
        f"{SHOWN}.realtime_events",
        "public.profiles",
        f"{SHOWN}.profiles",
    ):
        found = outside.run(before, f"SELECT * FROM {table}")
        name = table.rpartition(".")[2]
        wanted = outside.expected(name, dentist(world.ann))
        assert keys(name, found) == ([] if table.startswith("public.") else wanted), table
