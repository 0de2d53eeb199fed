"""docs/backup.md is run as it stands, on a clinic of its own."""

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.cli.main import main
from tests.support.logs import captured_logs

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"<!-- run: sh -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(autouse=True)
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a migrated database that has one patient."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAIRSIDE_AUTH_SECRET", "a-secret-of-thirty-two-bytes-or-more")
    with captured_logs():
        assert main(["migrate"]) == 0
        with closing(sqlite3.connect("chairside.db")) as database:
            database.execute(
                "INSERT INTO profiles (id, role, name, version, search_text)"
                " VALUES ('p', 'patient', 'Pat', 1, '\n Pat\nnpat\n')"
            )
            database.commit()
        yield tmp_path


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    words = shlex.split(line)
    with monkeypatch.context() as environment:
        while "=" in words[0]:
            environment.setenv(*words.pop(0).split("=", 1))
        assert words.pop(0) == "chairside"
        return main(words)


def patients(database: str) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM profiles")]


def test_the_guide_does_what_it_says(
    clinic: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(COMMANDS) == 10
    for line in COMMANDS:
        assert run(line, monkeypatch) == 0, f"{line}\n{capsys.readouterr().err}"
    for database in ("chairside.db", "copy.db", "trial.db", "moved.db"):
        assert patients(database) == ["Pat"]
    assert len(list(clinic.glob("chairside.db.replaced-*"))) == 1
    assert (clinic / "clinic.jsonl").stat().st_mode & 0o777 == 0o600
    assert "sha256 of the rows" in capsys.readouterr().out
