"""Database URLs: what is accepted, and errors that say what would do."""

from pathlib import Path

import pytest

from store.url import UnusableDatabaseUrl, parse_url, sqlite_path


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


def test_postgresql_is_refused_by_name_and_its_password_kept_quiet() -> None:
    with pytest.raises(UnusableDatabaseUrl, match="PostgreSQL") as caught:
        parse_url("postgresql://hub:hunter2@host/clinic")
    assert "hunter2" not in str(caught.value)
