"""From an empty PostgreSQL database to a hub that runs on it, as its operators do it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from actors.ports.commits import StoreUnavailable
from hub.cli.main import main
from store.engine import open_store
from store.migrations.migrate import Revision, SchemaTooNew, check_schema, plan, upgrade
from store.postgres.roles import RolesMissing
from store.postgres.sync import on_postgresql
from store.settings import DatabaseSettings
from store.sql.schema import metadata
from store.sql.url import parse_url
from tests.contract.clinic import Postbox, render
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds
from tests.support.postgres import ADMIN, PostgresServer, postgres_server

OPERATOR = "operator"
"""Owns the database and nothing else: no superuser, may create no role."""


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    if not server.run("postgres", "SELECT 1 FROM pg_roles WHERE rolname = $1", OPERATOR):
        server.run("postgres", f"CREATE ROLE {OPERATOR} LOGIN")
    return server


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    name = server.create()
    yield name
    server.drop(name)


@pytest.fixture
def environ(server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAIRSIDE_DATABASE_URL", server.url(name))
    monkeypatch.setenv("CHAIRSIDE_DATABASE_MIGRATE_URL", server.url(name, ADMIN))
    monkeypatch.setenv("CHAIRSIDE_AUTH_SECRET", "a-secret-of-thirty-two-bytes-or-more")


@pytest.mark.usefixtures("environ")
def test_migrate_announces_its_plan_and_check_finds_no_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 1
    assert "run `chairside migrate`" in capsys.readouterr().out
    assert main(["migrate"]) == 0
    output = capsys.readouterr().out
    steps = _history()
    assert f"nothing yet; {len(steps)} steps lead to {steps[-1].id}" in output
    assert f"6/{len(steps)}  0006  Row-level security on PostgreSQL" in output
    assert main(["check"]) == 0
    assert "is sound; 0 dentists" in capsys.readouterr().out
    assert main(["migrate"]) == 0
    assert "there was nothing to do" in capsys.readouterr().out


@pytest.mark.usefixtures("environ")
def test_setup_makes_a_practice_on_an_empty_database(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--practice", "On the square", "--region", "AT", "--dentist", "Dr Ann")
    assert main(["setup", "--yes", *flags]) == 0
    assert "On the square is set up" in capsys.readouterr().out
    assert main(["check"]) == 0
    assert "is sound; 1 dentists" in capsys.readouterr().out
    assert main(["setup", "--yes", *flags]) == 0
    assert "Nothing was changed" in capsys.readouterr().out


def test_the_migrations_make_what_the_statements_expect(server: PostgresServer, name: str) -> None:
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [each for each in compare_metadata(context, metadata) if "_overlap" not in str(each)]

    assert on_postgresql(parse_url(server.url(name, ADMIN)), differences) == []


def test_login_without_rights_gets_the_script_for_an_administrator(
    server: PostgresServer, name: str
) -> None:
    """And when that was run, it migrates by itself."""
    mine = server.url(name, OPERATOR)
    with pytest.raises(RolesMissing) as refused:
        upgrade(server.url(name), migrate_url=mine)
    assert f"GRANT hub_owner TO {OPERATOR};" in refused.value.script
    assert "CREATE EXTENSION btree_gist;" in refused.value.script
    server.script(name, *refused.value.script.split(";\n"))
    assert upgrade(server.url(name), migrate_url=mine).pending
    assert check_schema(server.url(name)) == plan(mine).head


STRANGER = "stranger"
"""May log in, and was granted nothing."""


@pytest.mark.usefixtures("environ")
def test_check_names_the_grant_that_the_login_lacks(
    server: PostgresServer,
    name: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["migrate"]) == 0
    if not server.run("postgres", "SELECT 1 FROM pg_roles WHERE rolname = $1", STRANGER):
        server.run("postgres", f"CREATE ROLE {STRANGER} LOGIN")
    monkeypatch.setenv("CHAIRSIDE_DATABASE_URL", server.url(name, STRANGER))
    assert main(["check"]) == 1
    output = capsys.readouterr().out
    assert f"the login {STRANGER} is no member of hub_writer: GRANT hub_writer TO" in output
    assert f"the login {STRANGER} is no member of hub_reader" in output


async def test_a_hub_whose_login_lacks_a_grant_does_not_start(
    server: PostgresServer, name: str
) -> None:
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
    if not server.run("postgres", "SELECT 1 FROM pg_roles WHERE rolname = $1", STRANGER):
        server.run("postgres", f"CREATE ROLE {STRANGER} LOGIN")
    opening = open_store(
        DatabaseSettings(url=server.url(name, STRANGER)),
        render=render,
        publisher=Postbox(),
        new_id=SerialIds(),
        clock=FakeClock(),
    )
    with pytest.raises(StoreUnavailable, match=r"cannot write: permission denied to set role"):
        async with opening:
            pytest.fail("it opened")


def test_preparing_again_executes_nothing(server: PostgresServer, name: str) -> None:
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
    server.script(name, f"GRANT hub_owner TO {OPERATOR}")
    assert upgrade(server.url(name), migrate_url=server.url(name, OPERATOR)).pending == ()


def test_a_newer_schema_is_refused(server: PostgresServer, name: str) -> None:
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
    server.run(name, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        check_schema(server.url(name))


def _history() -> list[Revision]:
    """Every step that leads from nothing to this version."""
    return list(plan("sqlite:///no-such.db").pending)
