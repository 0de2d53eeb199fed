"""The connection of the writer to the database file."""

import os
import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from store.sql.prepared import Rows, Step
from store.sqlite.write_guard import declare, guard_writes

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = MEMORY",  # for the rollback of savepoints
    "PRAGMA wal_autocheckpoint = 4000",  # pages of 4 KiB: checkpoints are rare and short
    "PRAGMA journal_size_limit = 67108864",
)
_CACHED_STATEMENTS = 256
_ROWS_AT_ONCE = (32, 16, 8, 4, 3, 2, 1)  # few sizes, so that the statements stay cached


def same_file(path: Path, identity: tuple[int, int]) -> bool:
    """Whether ``path`` still names the file that was opened.

    SQLite goes on writing to a file that was removed or replaced. Commits to it would be lost.
    """
    try:
        return file_identity(path) == identity
    except OSError:
        return False


def file_identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


class SqliteConnection:
    """One ``sqlite3`` connection, used by the thread that made it."""

    def __init__(self, path: Path, *, lock_timeout_ms: int) -> None:
        """Raises ``sqlite3.Error`` or ``OSError``; never creates the file."""
        self._path = path
        self._raw = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=lock_timeout_ms / 1000,
            cached_statements=_CACHED_STATEMENTS,
        )
        try:
            self._identity = file_identity(path)
            for pragma in _PRAGMAS:
                self._raw.execute(pragma).close()
            self.schema_version = self._read_schema_version()
        except BaseException:
            self._raw.close()
            raise

    def _read_schema_version(self) -> str | None:
        """The revision of alembic; ``None`` if the database was never migrated."""
        known = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        if not self._raw.execute(known).fetchone():
            return None
        row = self._raw.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None

    @property
    def is_current(self) -> bool:
        return same_file(self._path, self._identity)

    @property
    def in_transaction(self) -> bool:
        return self._raw.in_transaction

    def guard(self) -> None:
        """Allow only writes that were declared; needs a migrated database."""
        guard_writes(self._raw)

    def declare(self, people: Sequence[str]) -> None:
        declare(self._raw, people)

    def execute(self, sql: str) -> None:
        """A statement that controls the transaction, such as COMMIT."""
        self._raw.execute(sql).close()

    def run(self, step: Step) -> Rows:
        statement = step.statement
        if not step.params:
            return ()
        is_single = len(step.params) == 1
        if not is_single and statement.takes_many:
            return self._many_at_once(step)
        if is_single and not statement.returns_rows:
            self._raw.execute(statement.sql, statement.bind(step.params[0])).close()
            return ()
        if not statement.returns_rows:
            self._raw.executemany(statement.sql, map(statement.bind, step.params)).close()
            return ()
        found: list[tuple[object, ...]] = []
        for params in step.params:
            found.extend(self._raw.execute(statement.sql, statement.bind(params)))
        return statement.read(found)

    def _many_at_once(self, step: Step) -> Rows:
        """In few statements, because each takes the GIL from the event loop."""
        found: list[tuple[object, ...]] = []
        rows = [step.statement.bind(params) for params in step.params]
        while rows:
            size = next(size for size in _ROWS_AT_ONCE if size <= len(rows))
            some, rows = rows[:size], rows[size:]
            found.extend(
                self._raw.execute(step.statement.sql_for(size), tuple(chain.from_iterable(some)))
            )
        return step.statement.read(found)

    def close(self) -> None:
        self._raw.close()
