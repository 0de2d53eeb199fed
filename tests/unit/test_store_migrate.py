"""Migrations go forward, revision by revision, and never under a running hub."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from store.migrations.migrate import (
    Revision,
    SchemaTooNew,
    SchemaTooOld,
    check_schema,
    plan,
    upgrade,
)
from store.sql.lockfile import DatabaseInUse, exclusive
from store.sql.schema import metadata


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'var' / 'clinic.db'}"


def test_an_empty_database_is_migrated_to_the_newest_schema(url: str) -> None:
    reported: list[tuple[Revision, int, int]] = []
    before = plan(url)
    assert before.current is None
    done = upgrade(url, lambda *progress: reported.append(progress))
    assert done == before
    assert [revision for revision, _, _ in reported] == list(before.pending)
    assert [(n, of) for _, n, of in reported] == [
        (n, len(reported)) for n in range(1, len(reported) + 1)
    ]
    after = plan(url)
    assert (after.current, after.pending) == (before.head, ())
    assert check_schema(url) == before.head


def test_planning_creates_no_file(url: str, tmp_path: Path) -> None:
    plan(url)
    assert list(tmp_path.iterdir()) == []


def test_a_second_upgrade_does_nothing(url: str) -> None:
    upgrade(url)
    reported: list[Revision] = []
    assert upgrade(url, lambda revision, *_: reported.append(revision)).pending == ()
    assert reported == []


def test_the_migrations_create_the_schema_of_the_statements(url: str) -> None:
    upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_an_old_schema_is_refused_with_the_command_to_run(url: str) -> None:
    with pytest.raises(SchemaTooOld, match=r"empty.*chairside migrate"):
        check_schema(url)


def test_a_newer_schema_is_refused(url: str, tmp_path: Path) -> None:
    upgrade(url)
    _set_version(tmp_path, "9999")
    for attempt in (check_schema, plan, upgrade):
        with pytest.raises(SchemaTooNew, match="9999 is newer"):
            attempt(url)


def test_the_database_of_a_running_hub_is_not_migrated(url: str, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    with exclusive(tmp_path / "var" / "clinic.db"), pytest.raises(DatabaseInUse):
        upgrade(url)


def test_a_failed_revision_leaves_the_previous_one(url: str, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    connection = sqlite3.connect(tmp_path / "var" / "clinic.db")
    connection.execute("CREATE TABLE realtime_events (conflicting INTEGER)")
    connection.close()
    with pytest.raises(Exception, match="realtime_events already exists"):
        upgrade(url)
    assert plan(url).current == "0002"
    connection = sqlite3.connect(tmp_path / "var" / "clinic.db")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "channels" not in tables
    connection.execute("DROP TABLE realtime_events")
    connection.close()
    upgrade(url)


def test_the_database_is_readable_by_its_owner_only(url: str, tmp_path: Path) -> None:
    upgrade(url)
    assert (tmp_path / "var" / "clinic.db").stat().st_mode & 0o777 == 0o600


def _set_version(tmp_path: Path, version: str) -> None:
    connection = sqlite3.connect(tmp_path / "var" / "clinic.db", isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()
