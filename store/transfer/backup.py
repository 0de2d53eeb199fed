"""Copies of a SQLite database while a hub runs on it, and the way back.

A copy is one consistent file: SQLite's online backup, inside one read transaction, so that
no commit makes it begin anew and none has to wait.
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
from store.transfer.epochs import largest_epoch, raise_epochs
from store.transfer.maintenance import reading, writing

log = structlog.get_logger(__name__)

_PAGES_AT_ONCE = 2_000
_OWNER_ONLY = 0o600
_BESIDE = ("-wal", "-shm")

CopyProgress = Callable[[int, int], None]
"""How many pages are copied, and how many there are."""


class UnusableBackup(Exception):
    """The file is no backup, or not a sound one; the text says which."""


class NotOnPostgresql(Exception):
    def __str__(self) -> str:
        return "PostgreSQL has its own tools for this: see pg_dump and pg_basebackup"


@dataclass(frozen=True, kw_only=True, slots=True)
class CopyResult:
    path: Path
    size_bytes: int
    schema: str
    replaced: Path | None = None
    """Where the database went that stood in the restored one's place."""


def backup(url: str, target: Path, progress: CopyProgress) -> CopyResult:
    """Copy the database to ``target``, which must not exist, whole or not at all.

    Needs no lock: a hub may run. Raises FileExistsError, OSError, StoreUnavailable,
    :class:`UnusableBackup` if the copy is not sound, :class:`NotOnPostgresql`.
    """
    source = _file_of(url)
    if not source.exists():
        raise StoreUnavailable(f"{source} is not there")
    with _draft_of(target) as draft:
        _copy(source, draft, progress)
        schema = _checked(draft)
        if target.exists():
            raise FileExistsError(f"{target} is there already")
        draft.replace(target)
    _settle_folder(target)
    return CopyResult(path=target, size_bytes=target.stat().st_size, schema=schema)


def restore(url: str, source: Path, *, now: datetime, progress: CopyProgress) -> CopyResult:
    """Put a backup in the database's place; what stood there is kept beside it.

    Every epoch is raised beyond those of both, so that no client takes its old position
    for one of the restored history. Raises DatabaseInUse while a hub runs,
    :class:`UnusableBackup`, OSError, SchemaTooNew, :class:`NotOnPostgresql`.
    """
    target = _file_of(url)
    if not source.is_file():
        raise UnusableBackup(f"{source} is not there")
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target), _draft_of(target) as draft:
        _copy(source, draft, progress)
        schema = _checked(draft)
        at_least = max(int(now.timestamp()), _largest_epoch_of(target) + 1)
        writing(f"sqlite:///{draft}", lambda connection: raise_epochs(connection, at_least))
        replaced = _put_aside(target, now) if target.exists() else None
        draft.replace(target)
        _settle_folder(target)
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
    """A file beside ``target`` that only its owner may read; gone unless it was renamed."""
    target = target.absolute()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent} is not there")
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY))
    try:
        yield draft
    finally:
        for suffix in ("", *_BESIDE, "-journal"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, draft: Path, progress: CopyProgress) -> None:
    def tell(_status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(draft, isolation_level=None)) as new,
        ):
            old.isolation_level = None
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").close()  # from here on, no later
            old.backup(new, pages=_PAGES_AT_ONCE, progress=tell)
            new.execute("PRAGMA journal_mode = DELETE").close()  # one file, nothing beside it
    except sqlite3.DatabaseError as error:
        raise UnusableBackup(f"{source} cannot be copied: {error}") from error
    _settle(draft)


def _checked(draft: Path) -> str:
    """The schema of a sound copy. Raises :class:`UnusableBackup`, SchemaTooNew."""
    with closing(sqlite3.connect(draft)) as connection:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise UnusableBackup(f"the copy is damaged: {said}")
    schema = plan(f"sqlite:///{draft}").current
    if schema is None:
        raise UnusableBackup("this is not a database of Chairside")
    return schema


def _largest_epoch_of(target: Path) -> int:
    """Of the database that is replaced; 0 if it is not there or too damaged to tell."""
    if not target.exists():
        return 0
    try:
        return reading(f"sqlite:///{target}", largest_epoch)
    except DatabaseError as error:  # a damaged file is what backups are for
        log.warning("replaced_database_unreadable", path=str(target), error=str(error.orig))
        return 0


def _put_aside(target: Path, now: datetime) -> Path:
    """Its write-ahead log first: a new file must never find an old log beside it."""
    aside = target.with_name(f"{target.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    for suffix in (*_BESIDE, ""):
        part = target.with_name(target.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _settle(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _settle_folder(path: Path) -> None:
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
