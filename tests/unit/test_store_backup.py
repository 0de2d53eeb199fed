"""Backup and restore of SQLite are atomic, and refuse a database in use."""

# ruff: noqa: S608  # all parts of the statements are constants of the tests

import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.domain.patient_words import joined, patient_words
from actors.ports.commits import StoreUnavailable
from store.migrations.migrate import SchemaTooNew, check_schema, upgrade
from store.migrations.seal import DatabaseSealed, seal
from store.sql.lockfile import DatabaseInUse, exclusive
from store.transfer.backup import CopyResult, NotOnPostgresql, UnusableBackup, backup, restore
from store.transfer.maintenance import writing
from store.transfer.verify import verify
from tests.support.logs import captured_logs

NOW = datetime(2027, 3, 8, 9, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


def quiet(*_: int) -> None:
    return


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Migrated, with a channel at epoch 5 and one pending event."""
    path = tmp_path / "clinic.db"
    with captured_logs():
        upgrade(f"sqlite:///{path}")
    execute(
        path,
        "PRAGMA journal_mode = WAL",
        "UPDATE hub SET first_epoch = 5",
        "INSERT INTO event_log VALUES (1, 5, 'e', 'x', x'', 0, NULL, NULL, NULL)",
        "INSERT INTO event_channels VALUES (1, 'availability:all', 1)",
    )
    return path


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM profiles ORDER BY name")]


def add(path: Path, name: str) -> None:
    words = joined(patient_words(name, email_key=None, phone_key=None, date_of_birth=None))
    execute(
        path,
        "INSERT INTO profiles (id, role, name, version, search_text)"
        f" VALUES ('{name}', 'patient', '{name}', 1, '{words}')",
    )


def epoch(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (first,) = connection.execute("SELECT first_epoch FROM hub").fetchone()
    return int(first)


def copied(database: Path, target: Path) -> CopyResult:
    return backup(f"sqlite:///{database}", target, quiet)


def restored(database: Path, source: Path) -> CopyResult:
    return restore(f"sqlite:///{database}", source, now=NOW, progress=quiet)


def test_a_backup_is_one_valid_file_that_only_its_owner_may_read(
    database: Path, tmp_path: Path
) -> None:
    add(database, "Pat")
    target = tmp_path / "copies"
    target.mkdir()
    target /= "copy.db"
    done = copied(database, target)
    assert (done.path, done.size_bytes) == (target, target.stat().st_size)
    assert done.schema == check_schema(f"sqlite:///{target}")
    assert target.stat().st_mode & 0o777 == 0o600
    assert names(target) == ["Pat"]
    assert verify(f"sqlite:///{target}").problems == ()
    assert os.listdir(target.parent) == ["copy.db"]


def test_a_backup_needs_no_lock_and_blocks_no_writer(database: Path, tmp_path: Path) -> None:
    """A hub holds the lock and commits continuously; the copy is of one instant."""
    execute(database, "CREATE TABLE filler (x)")
    execute(database, *["INSERT INTO filler VALUES (zeroblob(1000000))"] * 30)
    going, stop = threading.Event(), threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as hub:
            hub.execute("BEGIN IMMEDIATE")
            while not stop.is_set():
                hub.execute("INSERT INTO filler VALUES (1)")
                hub.execute("INSERT INTO filler VALUES (2)")
                hub.execute("COMMIT")
                written += 1
                going.set()
                hub.execute("BEGIN IMMEDIATE")
            hub.execute("ROLLBACK")

    hub = threading.Thread(target=write)
    hub.start()
    try:
        assert going.wait(10)
        with exclusive(database):
            before = written
            copied(database, tmp_path / "copy.db")
            after = written
    finally:
        stop.set()
        hub.join()
    assert after > before, "the writer committed meanwhile"
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        (ones,) = copy.execute("SELECT count(*) FROM filler WHERE x = 1").fetchone()
        (twos,) = copy.execute("SELECT count(*) FROM filler WHERE x = 2").fetchone()
    assert ones == twos >= before


def test_a_backup_overwrites_nothing(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(FileExistsError):
        copied(database, target)
    assert target.read_text() == "precious"
    with pytest.raises(FileNotFoundError):
        copied(database, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(StoreUnavailable):
        copied(tmp_path / "missing.db", tmp_path / "other.db")
    assert not (tmp_path / "other.db").exists()


def test_a_restored_database_is_the_backup_and_the_old_one_is_kept(
    database: Path, tmp_path: Path
) -> None:
    add(database, "Pat")
    copied(database, tmp_path / "copy.db")
    add(database, "Pia")
    done = restored(database, tmp_path / "copy.db")
    assert names(database) == ["Pat"]
    assert done.replaced
    assert names(done.replaced) == ["Pat", "Pia"]
    assert database.stat().st_mode & 0o777 == 0o600
    assert verify(f"sqlite:///{database}").problems == ()
    check_schema(f"sqlite:///{database}")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_epochs_exceed_those_of_the_backup_and_of_the_old_database(
    database: Path, tmp_path: Path
) -> None:
    copied(database, tmp_path / "copy.db")
    restored(database, tmp_path / "copy.db")
    assert epoch(database) == SECONDS
    restored(database, tmp_path / "copy.db")
    assert epoch(database) == SECONDS + 1
    execute(database, f"UPDATE hub SET first_epoch = {SECONDS + 500}")
    copied(database, tmp_path / "later.db")
    restored(database, tmp_path / "later.db")
    assert epoch(database) == SECONDS + 501
    restored(tmp_path / "fresh" / "clinic.db", tmp_path / "later.db")
    assert epoch(tmp_path / "fresh" / "clinic.db") == SECONDS + 501


def test_pending_events_of_the_lost_history_are_not_sent(database: Path, tmp_path: Path) -> None:
    copied(database, tmp_path / "copy.db")
    restored(database, tmp_path / "copy.db")
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT status, error FROM realtime_events").fetchall()
    assert found == [("failed", "history was replaced")]


def test_restoring_while_a_hub_runs_is_refused(database: Path, tmp_path: Path) -> None:
    copied(database, tmp_path / "copy.db")
    add(database, "Pat")
    with exclusive(database), pytest.raises(DatabaseInUse):
        restored(database, tmp_path / "copy.db")
    assert names(database) == ["Pat"]


def test_an_invalid_backup_replaces_nothing(database: Path, tmp_path: Path) -> None:
    add(database, "Pat")
    text, other, torn = (tmp_path / name for name in ("text.db", "other.db", "torn.db"))
    text.write_text("not a database at all, but a text that is long enough to be one" * 20)
    execute(other, "CREATE TABLE t (x)")
    copied(database, torn)
    with torn.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 3)
    for unusable in (text, other, torn, tmp_path / "missing.db"):
        with pytest.raises(UnusableBackup):
            restored(database, unusable)
        assert names(database) == ["Pat"]
    newer, sealed = tmp_path / "newer.db", tmp_path / "sealed.db"
    copied(database, newer)
    execute(newer, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew):
        restored(database, newer)
    copied(database, sealed)
    writing(f"sqlite:///{sealed}", seal)
    with pytest.raises(DatabaseSealed):
        restored(database, sealed)
    assert names(database) == ["Pat"]


def test_a_damaged_database_can_be_replaced(database: Path, tmp_path: Path) -> None:
    add(database, "Pat")
    copied(database, tmp_path / "copy.db")
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(b"\xff" * 10_000)
    with captured_logs():
        restored(database, tmp_path / "copy.db")
    assert names(database) == ["Pat"]


def test_postgresql_is_backed_up_with_its_own_tools(tmp_path: Path) -> None:
    url = "postgresql://hub@localhost/clinic"
    with pytest.raises(NotOnPostgresql, match="pg_dump"):
        backup(url, tmp_path / "copy.db", quiet)
    with pytest.raises(NotOnPostgresql):
        restore(url, tmp_path / "copy.db", now=NOW, progress=quiet)
