"""``[database] url``: which engine, and where."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE = "sqlite"


class UnusableDatabaseUrl(ValueError):
    """The URL names no database that the hub can use; the text says what would do."""


def parse_url(url: str) -> URL:
    """Raises :class:`UnusableDatabaseUrl`; the text never repeats a password."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UnusableDatabaseUrl(
            "the database URL cannot be read; for example sqlite:///var/chairside.db"
        ) from error
    name = parsed.get_backend_name()
    if name == "postgresql":
        raise UnusableDatabaseUrl("this version of Chairside does not support PostgreSQL yet")
    if name != SQLITE or "+" in parsed.drivername:
        raise UnusableDatabaseUrl(
            f"unknown kind of database {parsed.drivername!r}; use sqlite:///PATH"
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise UnusableDatabaseUrl(
            "a SQLite URL names a file and nothing else: sqlite:///relative.db, sqlite:////abs.db"
        )
    return parsed


def sqlite_path(url: URL) -> Path:
    assert url.database, "parse_url has checked it"
    return Path(url.database)
