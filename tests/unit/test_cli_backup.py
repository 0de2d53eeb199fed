"""``backup``, ``restore``, ``export`` and ``import``: their output and their errors."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.cli.main import main
from store.sql.lockfile import exclusive
from tests.support.logs import captured_logs

Captured = pytest.CaptureFixture[str]
CLINIC = Path("chairside.db")


@pytest.fixture(autouse=True)
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Iterator[Path]:
    """A folder with an empty clinic."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAIRSIDE_AUTH_SECRET", "a-secret-of-thirty-two-bytes-or-more")
    with captured_logs():
        assert main(["migrate"]) == 0
        capsys.readouterr()
        yield tmp_path


def answer(capsys: Captured, *argv: str) -> dict[str, object]:
    assert main([*argv, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    output: dict[str, object] = json.loads(out)
    return output


def refusal(capsys: Captured, *argv: str) -> str:
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def test_backup_and_restore_print_json(capsys: Captured, clinic: Path) -> None:
    output = answer(capsys, "backup", "copy.db")
    assert output["bytes"] == Path("copy.db").stat().st_size
    again = answer(capsys, "restore", "copy.db")
    assert again["schema"] == output["schema"]
    assert Path(str(again["replaced"])).exists()


def test_an_impossible_command_is_refused_with_one_sentence(capsys: Captured) -> None:
    assert "nowhere does not exist" in refusal(capsys, "backup", "nowhere/copy.db")
    assert "chairside.db exists already" in refusal(capsys, "backup", "chairside.db")
    assert "chairside.db exists already" in refusal(capsys, "export", "chairside.db")
    assert "missing.db does not exist" in refusal(capsys, "restore", "missing.db")
    assert "missing.jsonl" in refusal(capsys, "import", "missing.jsonl")
    assert "name a FILE" in refusal(capsys, "export", "--json")


def test_a_database_in_use_is_not_restored_sealed_or_imported(capsys: Captured) -> None:
    answer(capsys, "backup", "copy.db")
    answer(capsys, "export", "clinic.jsonl")
    with exclusive(CLINIC):
        answer(capsys, "backup", "second.db")
        answer(capsys, "export", "second.jsonl")
        assert "in use by another hub" in refusal(capsys, "restore", "copy.db")
        assert "in use by another hub" in refusal(capsys, "export", "--seal", "third.jsonl")
        assert "in use by another hub" in refusal(capsys, "export", "--unseal")
        assert "in use by another hub" in refusal(capsys, "import", "clinic.jsonl")
    assert not Path("third.jsonl").exists()


def test_a_dump_may_be_piped(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["export"]) == 0
    dump, output = capsys.readouterr()
    assert dump.splitlines()[-1].startswith('{"end":true')
    assert "sha256" in output
    monkeypatch.setenv("CHAIRSIDE_DATABASE_URL", "sqlite:///second.db")
    assert main(["migrate"]) == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(dump.encode())))
    assert main(["import", "-"]) == 0
    assert "rows imported" in capsys.readouterr().out


def test_every_command_reports_that_the_database_is_sealed(capsys: Captured) -> None:
    assert answer(capsys, "export", "--seal", "clinic.jsonl")["sealed"] is True
    for command in (["serve", "--port", "0"], ["migrate"], ["backup", "copy.db"]):
        assert "this database is sealed" in refusal(capsys, *command)
    assert main(["check"]) == 1
    assert "✗ schema: this database is sealed" in capsys.readouterr().out
    assert answer(capsys, "export", "--unseal") == {"sealed": False}
    assert main(["check"]) == 0
