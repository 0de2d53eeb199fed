"""``[database] url``: which engine, and where."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

POSTGRESQL = "postgresql"
_POSTGRESQL_DRIVERS = frozenset({"postgresql", "postgresql+asyncpg"})
_POSTGRESQL_OPTIONS = frozenset(
    {
        "application_name",
        "host",
        "port",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
    }
)
"""The options of libpq that the driver understands: TLS, and where the server is."""
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SYSTEM_CERTIFICATES = "system"
"""As ``sslrootcert``: the authorities that this machine trusts (as libpq has it, since 16)."""


class UnusableDatabaseUrl(ValueError):
    """The URL names no database that the hub can use; the message names a usable form."""


def parse_url(url: str) -> URL:
    """Raises :class:`UnusableDatabaseUrl`; the message never contains a password."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UnusableDatabaseUrl(
            "the database URL cannot be read; for example sqlite:///var/chairside.db"
        ) from error
    if parsed.get_backend_name() == POSTGRESQL:
        return _checked_postgresql(parsed)
    return _checked_sqlite(parsed)


def _checked_postgresql(parsed: URL) -> URL:
    if parsed.drivername not in _POSTGRESQL_DRIVERS:
        raise UnusableDatabaseUrl(
            f"unknown driver {parsed.drivername!r}; use postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    if not parsed.database:
        raise UnusableDatabaseUrl(
            "a PostgreSQL URL names a database: postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    unknown = sorted(set(parsed.query) - _POSTGRESQL_OPTIONS)
    if unknown:
        raise UnusableDatabaseUrl(
            f"unknown option {unknown[0]!r}; known are {', '.join(sorted(_POSTGRESQL_OPTIONS))}"
        )
    _check_tls(parsed)
    return parsed.set(drivername=POSTGRESQL)


def _check_tls(parsed: URL) -> None:
    mode = parsed.query.get("sslmode")
    if mode is not None and mode not in _SSLMODES:
        raise UnusableDatabaseUrl(f"sslmode is one of {', '.join(_SSLMODES)}")
    if parsed.query.get("sslrootcert") == SYSTEM_CERTIFICATES and mode != "verify-full":
        raise UnusableDatabaseUrl("sslrootcert=system goes with sslmode=verify-full only")


def _checked_sqlite(parsed: URL) -> URL:
    if parsed.get_backend_name() != "sqlite" or "+" in parsed.drivername:
        raise UnusableDatabaseUrl(
            f"unknown kind of database {parsed.drivername!r}; use sqlite:///PATH"
            " or postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise UnusableDatabaseUrl(
            "a SQLite URL names a file and nothing else: sqlite:///relative.db, sqlite:////abs.db"
        )
    return parsed


def is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == POSTGRESQL


def sqlite_path(url: URL) -> Path:
    assert url.get_backend_name() == "sqlite", "the caller has checked the engine"
    assert url.database, "parse_url has checked it"
    return Path(url.database)


def postgresql_dsn(url: URL) -> str:
    """For the driver: with the password."""
    assert is_postgresql(url), "the caller has checked the engine"
    return url.render_as_string(hide_password=False)
