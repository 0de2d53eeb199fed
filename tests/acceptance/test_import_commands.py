"""``import-patients`` and ``export-patients`` against a running hub."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.cli.main import main
from tests.support.clinic import Clinic

Ran = tuple[int, str, str]
"""Exit code, standard output, standard error."""


@pytest.fixture
def run(
    clinic: Clinic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Ran]:
    """Runs a command in an empty folder, as the desk of the second practice."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CHAIRSIDE_TOKEN", clinic.staff[1].token)
    monkeypatch.setenv("CHAIRSIDE_URL", clinic.url)

    def command(*argv: str) -> Ran:
        capsys.readouterr()
        code = main(argv)
        out, err = capsys.readouterr()
        return code, out, err

    return command


def written(name: str, text: str, encoding: str = "utf-8") -> None:
    Path(name).write_text(text, encoding=encoding)


def lines_of(name: str) -> list[str]:
    """Of a file that only its owner may read."""
    assert Path(name).stat().st_mode & 0o777 == 0o600
    return Path(name).read_text(encoding="utf-8-sig").splitlines()


def is_there(name: str) -> bool:
    return Path(name).exists()


async def test_a_file_is_imported_and_written_back(run: Callable[..., Ran]) -> None:
    text = "Wer;Tel;Kasse\nZora Größe;+49 30 1234567;X\n;+49 30 1234568;\n"
    written("in.csv", text, "cp1252")
    named = ("import-patients", "in.csv", "--map", "name=Wer")
    code, out, _ = await asyncio.to_thread(run, *named, "--dry-run")
    assert code == 1
    assert "Columns: Wer (name), Tel (phone); windows-1252, semicolon." in out
    assert "Not used: Kasse." in out
    assert "line 3: refused: name: " in out
    assert "2 rows: 1 would be entered, 0 known already, 1 refused." in out

    code, out, _ = await asyncio.to_thread(run, *named, "--json")
    assert (code, json.loads(out)["created"]) == (1, 1)
    code, out, _ = await asyncio.to_thread(run, "export-patients", "out.csv")
    assert code == 0, out
    assert lines_of("out.csv")[1:] == ['"Zora Größe";"";"\'+49 30 1234567";"";"";"";""']
    code, out, _ = await asyncio.to_thread(run, "import-patients", "out.csv")
    assert (code, out.splitlines()[-1]) == (0, "1 rows: 0 entered, 1 known already, 0 refused.")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("import-patients", "bad.csv"), "no column with names"),
        (("import-patients", "none.csv"), "none.csv"),
        (("import-patients", "bad.csv", "--map", "name=Wer"), "VALIDATION_ERROR"),
        (("import-patients", "bad.csv", "--url", "http://127.0.0.1:9"), "http://127.0.0.1:9"),
        (("import-patients", "bad.csv", "--url", "nowhere"), "nowhere"),
        (("export-patients", "--json"), "name a FILE"),
        (("export-patients", "bad.csv"), "exists already"),
        (("export-patients", "new.csv", "--url", "http://127.0.0.1:9"), "http://127.0.0.1:9"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    run: Callable[..., Ran], argv: tuple[str, ...], said: str
) -> None:
    written("bad.csv", "Nr;Betrag\n1;2\n")
    code, out, err = await asyncio.to_thread(run, *argv)
    assert (code, out) == (1, "")
    assert said in err
    assert len(err.splitlines()) == 1, err
    assert not is_there("new.csv")


async def test_a_token_is_needed_and_must_be_of_staff(
    run: Callable[..., Ran], clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIRSIDE_TOKEN", clinic.patients[0].token)
    code, _, err = await asyncio.to_thread(run, "export-patients", "new.csv")
    assert (code, "FORBIDDEN" in err) == (1, True)
    monkeypatch.delenv("CHAIRSIDE_TOKEN")
    code, _, err = await asyncio.to_thread(run, "export-patients", "new.csv")
    assert (code, "set CHAIRSIDE_TOKEN" in err) == (1, True)
    links = {"url": clinic.url, "staff": [{"token": clinic.staff[1].token}]}
    written("links.json", json.dumps(links))
    code, _, _ = await asyncio.to_thread(run, "export-patients", "new.csv", "--links", "links.json")
    assert code == 0
