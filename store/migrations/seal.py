"""The seal of a database whose clinic moved to another one: no hub may start on it.

It is a mark on the schema revision, so every version of the hub refuses the database, on every
engine, older versions included.
"""

from time import sleep

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from actors.ports.commits import StoreUnavailable

_MARK = "-sealed"

_OTHER_SESSIONS = (  # of clients, not of the server; every login may see these columns
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND usesysid IS NOT NULL AND leader_pid IS NULL AND pid <> pg_backend_pid()"
)
_LOOKS, _PAUSE_S = 10, 0.2
"""How often sessions are counted: the server ends one a moment after its hub has stopped."""


class DatabaseSealed(Exception):
    """The database was exported for good; the clinic continues in another one."""

    def __str__(self) -> str:
        return (
            "this database is sealed: its clinic was moved to another database. "
            "If it was not, `chairside export --unseal` opens it again"
        )


def refuse_sealed(revision: str | None) -> None:
    """Raises :class:`DatabaseSealed`."""
    if is_sealed(revision):
        raise DatabaseSealed


def is_sealed(revision: str | None) -> bool:
    return revision is not None and revision.endswith(_MARK)


def without_seal(revision: str | None) -> str | None:
    return revision.removesuffix(_MARK) if revision else revision


def revision_of(connection: Connection) -> str | None:
    """The stored revision, with its seal; ``None`` if the database was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def seal(connection: Connection) -> None:
    """Seal the database, in a transaction of its own.

    A hub that runs already would go on, so none may. On PostgreSQL, raises StoreUnavailable if
    there are other sessions; on SQLite the caller holds the lock on the file.
    """
    revision = revision_of(connection)
    assert revision, "only a migrated database is exported"
    if not is_sealed(revision):
        _set(connection, revision + _MARK)
    if connection.dialect.name == "postgresql" and (others := _other_sessions(connection)):
        raise StoreUnavailable(
            f"{others} other sessions use the database: stop every hub before sealing it"
        )


def _other_sessions(connection: Connection) -> int:
    """How many there are in the end, on PostgreSQL."""
    others = 0
    for look in range(_LOOKS):
        if look:
            sleep(_PAUSE_S)
            connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        others = connection.scalar(text(_OTHER_SESSIONS)) or 0
        if not others:
            break
    return others


def unseal(connection: Connection) -> None:
    _set(connection, without_seal(revision_of(connection)) or "")


def _set(connection: Connection, revision: str) -> None:
    connection.execute(
        text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
    )
