"""The logins of ``deploy/postgres.sql``: no superuser, and enough to migrate and to serve."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from store.migrations.migrate import upgrade
from store.postgres.roles import lacking
from store.sql.url import parse_url
from tests.support.postgres import ADMIN, PostgresServer, program

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgres.sql"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own: roles belong to all databases of a server."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def test_a_hub_runs_with_logins_that_are_no_superusers(server: PostgresServer) -> None:
    name = server.create()
    subprocess.run(  # as the image does it
        [
            *(program("psql"), "-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "-q"),
            *("-h", "127.0.0.1", "-p", str(server.port), "-U", ADMIN, "-d", name, "-f", SCRIPT),
        ],
        check=True,
        env={**os.environ, "CHAIRSIDE_PASSWORD": "p'1", "CHAIRSIDE_OWNER_PASSWORD": "p2"},
    )
    upgrade(server.url(name), migrate_url=server.url(name, "chairside_owner"))
    assert lacking(parse_url(server.url(name))) == []
    roles = server.run(
        name, "SELECT rolname, rolsuper FROM pg_roles WHERE rolname ~ '^(chair|hub)'"
    )
    assert {row["rolname"] for row in roles} == {
        "chairside",
        "chairside_owner",
        "hub_owner",
        "hub_writer",
        "hub_reader",
    }
    assert not any(row["rolsuper"] for row in roles)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        server.run(name, "SELECT * FROM appointments", user="chairside")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        server.run(name, "CREATE TABLE mine (id int)", user="chairside")
