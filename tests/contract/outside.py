"""Raw SQL as each role of PostgreSQL, on separate connections, for simulated attacks."""

# ruff: noqa: S608  # names of tables, out of the schema

import json
from collections.abc import Sequence
from typing import Any

import pytest

from actors.domain.principal import Principal
from store.postgres.claims import POLICIES_FIRST, SHOWN, reading_claims, reading_path
from store.sql.readers import Lookup
from store.sql.schema import metadata
from tests.contract.clinic import ADMIN
from tests.contract.engines import PostgresDatabase
from tests.contract.security_world import MAY_SEE, Row, World, keys

TABLES = sorted({*metadata.tables, "alembic_version"})
READ = [*TABLES, "realtime_events"]
"""With the view of events."""
VIEWS = {"event_channels", "profiles", "realtime_events"}
"""Which callers read in the table's place: of each row no more columns than are theirs."""
NO_SECRETS = {"alembic_version", "hub"}
"""Tables of a revision and an epoch, which every login may know."""


class Outside:
    """Connections of our own, with every right until they give it up."""

    def __init__(self, database: PostgresDatabase, world: World) -> None:
        self.database, self.world = database, world
        self._known: dict[str, list[Row]] = {}

    def as_reader(self, who: Principal | None, sql: str) -> list[Row]:
        return self.all_as_reader(who, [sql])[0]

    def all_as_reader(self, who: Principal | None, statements: Sequence[str]) -> list[list[Row]]:
        claims = json.dumps(reading_claims(who, Lookup())) if who else ""
        path = f"SET LOCAL search_path = {reading_path(who or ADMIN)}"
        return self.run_all(["SET LOCAL ROLE hub_reader", path, *claiming(claims)], statements)

    def as_hub(self, lookup: Lookup, table: str) -> list[Row]:
        """The hub's own question: what it names, and nothing else."""
        claims = json.dumps(reading_claims(None, lookup))
        return self.run(["SET LOCAL ROLE hub_reader", *claiming(claims)], f"SELECT * FROM {table}")

    def as_writer(self, sql: str, *declared: str) -> list[Row]:
        claims = json.dumps({"role": "writer", "declared": declared})
        return self.run(["SET LOCAL ROLE hub_writer", *claiming(claims)], sql)

    def run(self, before: list[str], sql: str) -> list[Row]:
        return self.run_all(before, [sql])[0]

    def run_all(self, before: list[str], statements: Sequence[str]) -> list[list[Row]]:
        """In a transaction that is rolled back."""
        with self.database.server.transaction(self.database.name) as execute:
            for statement in before:
                execute(statement)
            return [[dict(row) for row in execute(statement)] for statement in statements]

    def all_rows(self, table: str) -> list[Row]:
        if table not in self._known:
            self._known[table] = self.run([], f"SELECT * FROM {table}")
        return self._known[table]

    def expected(self, table: str, who: Principal | None) -> list[tuple[Any, ...]]:
        rows = self.all_rows(table)
        assert rows, f"nothing to hide in {table}: the test would be vacuous"
        if table in NO_SECRETS:
            return keys(table, rows)
        return keys(table, [row for row in rows if who and MAY_SEE[table](self.world, who, row)])


def schema_of(table: str) -> str:
    return SHOWN if table in VIEWS else "public"


def claiming(claims: str) -> list[str]:
    """What the hub sets for each transaction, beside the role."""
    return [
        f"SET LOCAL {POLICIES_FIRST} = 0",
        f"SELECT set_config('request.jwt.claims', $claims${claims}$claims$, true)",
    ]


@pytest.fixture
def outside(database: PostgresDatabase, world: World) -> Outside:
    return Outside(database, world)


def closed(outside: Outside) -> set[str]:
    """Tables that the reader has no right to at all."""
    return {
        table
        for table in TABLES
        if not outside.run(
            [], f"SELECT has_any_column_privilege('hub_reader', '{table}', 'SELECT') x"
        )[0]["x"]
    }
