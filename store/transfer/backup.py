"""Copies a SQLite database while a hub runs on it, and restores a copy.

A copy is one consistent file. SQLite's online backup runs inside one read transaction, so
commits neither restart it nor wait for it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.exc import DatabaseError

from actors.ports.commits import StoreUnavailable
from store.migrations.migrate import plan
from store.sql.lockfile import exclusive
from store.sql.url import is_postgresql, parse_url, sqlite_path
from store.transfer.maintenance import epoch_of, raise_epoch, reading, writing

log = structlog.get_logger(__name__)

_PAGES_AT_ONCE = 2_000
_OWNER_ONLY = 0o600
_SUFFIXES = ("-wal", "-shm")

CopyProgress = Callable[[int, int], None]
"""Called with the number of copied pages, and of all pages."""


class UnusableBackup(Exception):
    """The file is no backup, or a damaged one; the message says which."""


class NotOnPostgresql(Exception):
    def __str__(self) -> str:
        return "PostgreSQL has its own tools for this: see pg_dump and pg_basebackup"


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyResult:
    path: Path
    size_bytes: int
    schema: str
    replaced: Path | None = None
    """Where the database is now that the restored one replaced."""


def backup(url: str, target: Path, progress: CopyProgress) -> CopyResult:
    """Copy the database to ``target``, which must not exist; completely or not at all.

    A hub may run meanwhile. Raises FileExistsError, OSError, StoreUnavailable,
    :class:`UnusableBackup` if the copy is not sound, :class:`NotOnPostgresql`.
    """
    source = _file_of(url)
    if not source.exists():
        raise StoreUnavailable(f"{source} does not exist")
    with _draft_of(target) as draft:
        _copy(source, draft, progress)
        schema = _checked(draft)
        if target.exists():
            raise FileExistsError(f"{target} exists already")
        draft.replace(target)
    _sync(target.absolute().parent)
    return CopyResult(path=target, size_bytes=target.stat().st_size, schema=schema)


def restore(url: str, source: Path, *, now: datetime, progress: CopyProgress) -> CopyResult:
    """Replace the database by a backup; the replaced file is kept beside it.

    Every epoch is raised beyond those of both databases, so that positions of clients do not
    seem to belong to the restored history. Raises DatabaseInUse while a hub runs,
    :class:`UnusableBackup`, OSError, SchemaTooNew, :class:`NotOnPostgresql`.
    """
    target = _file_of(url)
    if not source.is_file():
        raise UnusableBackup(f"{source} does not exist")
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target), _draft_of(target) as draft:
        _copy(source, draft, progress)
        schema = _checked(draft)
        at_least = max(int(now.timestamp()), _largest_epoch_of(target) + 1)
        writing(f"sqlite:///{draft}", lambda connection: raise_epoch(connection, at_least))
        replaced = _move_aside(target, now) if target.exists() else None
        draft.replace(target)
        _sync(target.absolute().parent)
    return CopyResult(
        path=target, size_bytes=target.stat().st_size, schema=schema, replaced=replaced
    )


def _file_of(url: str) -> Path:
    parsed = parse_url(url)
    if is_postgresql(parsed):
        raise NotOnPostgresql
    return sqlite_path(parsed).absolute()


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """A file beside ``target`` that only its owner may read; deleted unless it was renamed."""
    target = target.absolute()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} does not exist")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY))
    try:
        yield draft
    finally:
        for suffix in ("", *_SUFFIXES, "-journal"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, draft: Path, progress: CopyProgress) -> None:
    def report(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(draft, isolation_level=None)) as new,
        ):
            old.isolation_level = None
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").close()  # the snapshot begins here
            old.backup(new, pages=_PAGES_AT_ONCE, progress=report)
            new.execute("PRAGMA journal_mode = DELETE").close()  # a single file
    except sqlite3.DatabaseError as error:
        raise UnusableBackup(f"{source} cannot be copied: {error}") from error
    _sync(draft)


def _checked(draft: Path) -> str:
    """The schema of a sound copy. Raises :class:`UnusableBackup`, SchemaTooNew."""
    with closing(sqlite3.connect(draft)) as connection:
        (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if result != "ok":
        raise UnusableBackup(f"the copy is damaged: {result}")
    schema = plan(f"sqlite:///{draft}").current
    if schema is None:
        raise UnusableBackup("this is not a database of Chairside")
    return schema


def _largest_epoch_of(target: Path) -> int:
    """The largest epoch of the replaced database; 0 if there is none, or it is unreadable."""
    if not target.exists():
        return 0
    try:
        return reading(f"sqlite:///{target}", epoch_of)
    except DatabaseError as error:  # a damaged file is a reason to restore
        log.warning("replaced_database_unreadable", path=str(target), error=str(error.orig))
        return 0


def _move_aside(target: Path, now: datetime) -> Path:
    """The write-ahead log goes first: the restored file must never find an old one."""
    aside = target.with_name(f"{target.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    for suffix in (*_SUFFIXES, ""):
        part = target.with_name(target.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _sync(path: Path) -> None:
    """Put a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
