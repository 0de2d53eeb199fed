"""Migrates the schema with alembic, on every engine; runs synchronously.

``plan`` shows what ``upgrade`` would do. ``check_schema`` refuses a database that is older or
newer than this version of the hub.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

from store.migrations.seal import refuse_sealed, revision_of
from store.postgres.claims import MAINTENANCE
from store.postgres.roles import hide_system_columns, prepare
from store.postgres.sync import on_postgresql
from store.sql.lockfile import exclusive
from store.sql.url import is_postgresql, parse_url, sqlite_path
from store.sqlite.sync import on_sqlite

log = structlog.get_logger(__name__)

T = TypeVar("T")

_OWNER_ONLY = 0o600
_NEWEST = "head"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(4242001)"  # any number, always the same


class SchemaMismatch(Exception):
    """The schema of the database does not fit this version of the hub; the message says why."""


class SchemaTooOld(SchemaMismatch):
    """It lacks migrations of this version, or has none."""


class SchemaTooNew(SchemaMismatch):
    """This version does not know its revision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    id: str
    title: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationPlan:
    """The revision of a database, and the revisions that are still to be applied."""

    current: str | None
    """``None`` for an empty or missing database."""
    head: str
    pending: tuple[Revision, ...]


Progress = Callable[[Revision, int, int], None]
"""Called with a revision that was applied, its number, and the number of all."""


def plan(url: str) -> MigrationPlan:
    """Reads only. Raises :class:`SchemaTooNew` for a revision this version does not know,
    and :class:`~store.migrations.seal.DatabaseSealed`."""
    return _plan(_current(parse_url(url)))


def _plan(current: str | None) -> MigrationPlan:
    refuse_sealed(current)
    history = _history()
    head = history[-1].id
    known = [revision.id for revision in history]
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"the database schema {current} is newer than this version of Chairside "
            f"({head}): start the newer version"
        )
    done = known.index(current) + 1 if current else 0
    return MigrationPlan(current=current, head=head, pending=history[done:])


@cache
def _history() -> tuple[Revision, ...]:
    """The revisions of this version, oldest first; read from files once in a process."""
    newest_first = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(
        Revision(id=script.revision, title=(script.doc or "").splitlines()[0])
        for script in reversed(list(newest_first))
    )


def check_schema(url: str) -> str:
    """The schema's revision. Raises :class:`SchemaTooOld` or :class:`SchemaTooNew`."""
    return check_revision(_current(parse_url(url)))


def check_revision(current: str | None) -> str:
    """The same for a revision that has been read already."""
    found = _plan(current)
    if found.pending:
        raise SchemaTooOld(
            f"the database schema is {found.current or 'empty'}, this version needs {found.head}: "
            "run `chairside migrate`"
        )
    return found.head


def upgrade(
    url: str,
    progress: Progress | None = None,
    *,
    migrate_url: str | None = None,
    to: str = _NEWEST,
) -> MigrationPlan:
    """Migrate to the newest schema; returns what was done.

    Each revision is a transaction, so the database is never between two revisions. On
    PostgreSQL ``migrate_url`` is the login that may change the schema, and ``url`` the one that
    the hub will use; the roles are created first. ``to`` stops at an earlier revision. Raises
    DatabaseInUse while a hub runs on a SQLite file, SchemaTooNew, RolesMissing, StoreUnavailable.
    """
    if is_postgresql(parse_url(url)):
        return _upgrade_postgresql(parse_url(migrate_url or url), parse_url(url), progress, to)
    path = sqlite_path(parse_url(url))
    _create(path)
    with exclusive(path):
        todo = plan(url)
        if todo.pending:
            on_sqlite(parse_url(url), lambda connection: _apply(connection, todo, progress, to))
    return todo


def _upgrade_postgresql(owner: URL, user: URL, progress: Progress | None, to: str) -> MigrationPlan:
    todo = _plan(_current(owner))

    def prepared(connection: Connection) -> None:
        with connection.begin():
            connection.exec_driver_sql(_ONE_AT_A_TIME)
            prepare(connection, user.username)

    on_postgresql(owner, prepared)

    def migrated(connection: Connection) -> None:
        if todo.pending:
            _apply(connection, todo, progress, to)
        with connection.begin():
            hide_system_columns(connection)

    on_postgresql(owner, migrated, begin=MAINTENANCE)
    return todo


def _apply(connection: Connection, todo: MigrationPlan, progress: Progress | None, to: str) -> None:
    titles = {revision.id: revision for revision in todo.pending}
    applied: list[str] = []

    def report(revision_id: str) -> None:
        applied.append(revision_id)
        log.info("schema_migrated", revision=revision_id)
        if progress:
            progress(titles[revision_id], len(applied), len(titles))

    config = _config()
    config.attributes["connection"] = connection
    config.attributes["applied"] = report
    command.upgrade(config, to)


def _create(path: Path) -> None:
    """Create an empty file that only its owner may read, as it will contain personal data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    return config


def _current(url: URL) -> str | None:
    if is_postgresql(url):
        return on_postgresql(url, revision_of)
    return on_sqlite(url, revision_of) if sqlite_path(url).exists() else None
