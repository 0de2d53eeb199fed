"""The engines the contract is tested on, and what a test may do to their databases.

A further engine is one more ``Database`` and one more name in ``ENGINES``.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from store.migrate import upgrade

ENGINES = ["sqlite"]


class Database(Protocol):
    url: str

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """As somebody outside the hub, with every right; ``?`` stands for a parameter."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else can write inside the block."""
        ...

    def lost(self) -> AbstractContextManager[None]:
        """The database cannot be reached inside the block; afterwards it is back."""
        ...


class SqliteDatabase:
    def __init__(self, template: Path, folder: Path) -> None:
        self.path = folder / "clinic.db"
        shutil.copy(template, self.path)
        self.url = f"sqlite:///{self.path}"

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


def make_template(engine: str, folder: Path) -> Path:
    """A migrated, empty database, made once a session."""
    assert engine == "sqlite"
    path = folder / "template.db"
    upgrade(f"sqlite:///{path}")
    return path
