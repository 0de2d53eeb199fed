"""The engines the contract is tested on, and what a test may do to their databases.

A further engine is one more ``Database`` and one more name in ``ENGINES``.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.support.database import OnPostgres, numbered, writes_locked
from tests.support.postgres import ADMIN, PostgresServer, postgres_server

ENGINES = ["sqlite", "postgres"]


class Database(Protocol):
    url: str
    settings: DatabaseSettings
    """With a lock timeout that is short for tests of outages, and long enough for races."""

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Query past the hub, with all rights; ``?`` stands for a parameter."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """No other connection can write inside the block."""
        ...

    def lost(self) -> AbstractContextManager[None]:
        """The database cannot be reached inside the block; afterwards it is back."""
        ...


class SqliteDatabase:
    def __init__(self, template: Path, folder: Path) -> None:
        self.path = folder / "clinic.db"
        shutil.copy(template, self.path)
        self.url = f"sqlite:///{self.path}"
        self.settings = DatabaseSettings(url=self.url, lock_timeout_ms=100)

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return connection.execute(sql, params).fetchall()
        finally:
            connection.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()

    @contextmanager
    def lost(self) -> Iterator[None]:
        """The folder's files are elsewhere for a while, as when a volume is not mounted."""
        away = self.path.parent / "away"
        away.mkdir()
        files = [f for f in self.path.parent.glob("clinic.db*") if f.suffix != ".lock"]
        for file in files:
            file.rename(away / file.name)
        try:
            yield
        finally:
            for file in files:
                (away / file.name).rename(file)


class PostgresDatabase:
    def __init__(self, server: PostgresServer, template: str) -> None:
        self.server = server
        self.name = server.create(template)
        self.url = server.url(self.name)
        self.settings = DatabaseSettings(url=self.url, lock_timeout_ms=500)

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.server.run(self.name, numbered(sql), *params)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        with writes_locked(OnPostgres(server=self.server, name=self.name)):
            yield

    @contextmanager
    def lost(self) -> Iterator[None]:
        """No connection survives, and none is made."""
        self.server.run("postgres", f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false')
        self.server.disconnect(self.name)
        try:
            yield
        finally:
            self.server.run("postgres", f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')

    def close(self) -> None:
        self.server.drop(self.name)


def postgres_template() -> str:
    """The name of a migrated, empty database, made once a process."""
    server = postgres_server()
    name = server.create()
    upgrade(server.url(name), migrate_url=server.url(name, ADMIN))
    return name


def sqlite_template(folder: Path) -> Path:
    """A migrated, empty database, made once a session."""
    path = folder / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@contextmanager
def fresh_database(template: Path | str, folder: Path) -> Iterator[Database]:
    if isinstance(template, Path):
        yield SqliteDatabase(template, folder)
        return
    database = PostgresDatabase(postgres_server(), template)
    try:
        yield database
    finally:
        database.close()
