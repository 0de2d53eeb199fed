"""``invite``: the first admin's link, printed once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.cli.main import main
from store.migrations.migrate import upgrade
from store.sql.lockfile import exclusive
from tests.support.logs import captured_logs

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty database of a hub at which people sign in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAIRSIDE_SIGN_IN_ENABLED", "true")
    monkeypatch.setenv("CHAIRSIDE_SERVER_PUBLIC_URL", "https://clinic.example")
    file = tmp_path / "chairside.db"
    upgrade(f"sqlite:///{file}")
    with captured_logs():
        yield file


def refusal(capsys: Captured, *argv: str) -> str:
    assert main(["invite", *argv]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def test_the_first_admin_gets_a_link(database: Path, capsys: Captured) -> None:
    assert main(["invite", "--admin", "Ada", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["role"] == "admin"
    before, _, token = made["url"].partition("#invitation=")
    assert before == "https://clinic.example/sign-in"
    assert len(token) == 43
    assert token.encode() not in database.read_bytes()


def test_who_is_unknown_gets_none(capsys: Captured) -> None:
    assert "is no id" in refusal(capsys, "--profile", "nonsense")
    assert "profile" in refusal(capsys, "--profile", "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f")
    assert "name is required" in refusal(capsys, "--admin", " ")


def test_a_running_hub_keeps_its_file(database: Path, capsys: Captured) -> None:
    with exclusive(database):
        assert "in use" in refusal(capsys, "--admin", "Ada")


def test_without_sign_in_there_are_no_invitations(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIRSIDE_SIGN_IN_ENABLED", "false")
    assert "sign_in.enabled" in refusal(capsys, "--admin", "Ada")
