"""Queries and changes the hub's database past the hub, on either engine."""

import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.postgres import PostgresServer


@dataclass(frozen=True, kw_only=True)
class OnPostgres:
    """A database of a PostgreSQL server."""

    server: PostgresServer
    name: str


Database = Path | OnPostgres
"""A SQLite database is its file."""

ENGINES = ("sqlite", "postgres")
HEADS = (
    'SELECT channel, (SELECT first_epoch FROM hub) AS epoch, max("offset") AS "offset"'
    " FROM event_channels GROUP BY channel"
)
"""The position of each channel."""
FORGET_EVENTS = (
    (
        'DELETE FROM event_channels WHERE "offset" < (SELECT max(c."offset")'
        " FROM event_channels AS c WHERE c.channel = event_channels.channel)"
    ),
    "UPDATE event_channels SET event = 0",
    "DELETE FROM event_log",
    "DELETE FROM deliveries",
)
"""What retention would do to all events: the heads remain."""


def url_of(database: Database) -> str:
    """The value of ``[database] url``."""
    if isinstance(database, OnPostgres):
        return database.server.url(database.name)
    return f"sqlite:///{database}"


def rows(database: Database, sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """The committed rows, read through a separate connection."""
    if isinstance(database, OnPostgres):
        found = database.server.run(database.name, numbered(sql), *parameters)
        return [dict(row) for row in found]
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql, parameters)]


def execute(database: Database, *statements: str) -> None:
    """Change the database without the hub, in one transaction."""
    if isinstance(database, OnPostgres):
        database.server.script(database.name, *statements)
        return
    with closing(sqlite3.connect(database, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")


@contextmanager
def writes_locked(database: Database) -> Iterator[None]:
    """Hold the lock that every commit needs."""
    if isinstance(database, OnPostgres):
        tables = rows(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        with database.server.transaction(database.name) as execute:
            for table in tables:
                execute(f'LOCK TABLE "{table["tablename"]}" IN EXCLUSIVE MODE')
            yield
        return
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def without_guards(database: Database) -> list[str]:
    """Statements that drop the constraints or triggers against double booking."""
    if isinstance(database, OnPostgres):
        sql = "SELECT conname AS name FROM pg_constraint WHERE contype = 'x'"
        drop = "ALTER TABLE appointments DROP CONSTRAINT"
    else:
        sql = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        drop = "DROP TRIGGER"
    return [f"{drop} {each['name']}" for each in rows(database, sql)]


def numbered(sql: str) -> str:
    """The statement with PostgreSQL's placeholders (``$1``, ``$2`` …) for ``?``."""
    number = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(number)}", sql)
