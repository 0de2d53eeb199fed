"""Database URLs: what is accepted, and errors that name a usable form."""

from pathlib import Path

import pytest

from store.sql.url import (
    UnusableDatabaseUrl,
    is_postgresql,
    parse_url,
    postgresql_dsn,
    sqlite_path,
)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/clinic.db", "var/clinic.db"),
        ("sqlite:////var/lib/chairside/clinic.db", "/var/lib/chairside/clinic.db"),
    ],
)
def test_a_file_is_named_relative_or_absolute(url: str, path: str) -> None:
    assert sqlite_path(parse_url(url)) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "clinic.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///clinic.db?mode=ro",
        "sqlite+aiosqlite:///clinic.db",
        "mysql://host/clinic",
    ],
)
def test_anything_else_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(UnusableDatabaseUrl, match="sqlite:///"):
        parse_url(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_both_schemes_of_postgresql_are_accepted(scheme: str) -> None:
    url = parse_url(f"{scheme}://hub:hunter2@host:5433/clinic?sslmode=verify-full")
    assert is_postgresql(url)
    assert postgresql_dsn(url) == ("postgresql://hub:hunter2@host:5433/clinic?sslmode=verify-full")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hub:hunter2@host",
        "postgresql+psycopg2://hub:hunter2@host/clinic",
        "postgresql://hub:hunter2@host/clinic?ssl=yes",
        "postgresql://hub:hunter2@host/clinic?sslmode=on",
        "postgresql://hub:hunter2@host/clinic?sslrootcert=system",
        "postgresql://hub:hunter2@host/clinic?sslrootcert=system&sslmode=require",
    ],
)
def test_an_invalid_postgresql_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UnusableDatabaseUrl) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)
