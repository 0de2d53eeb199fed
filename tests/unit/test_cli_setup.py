"""``setup``: asks what is not given, writes everything or nothing, and can be repeated."""

import io
import json
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import jwt
import pytest

from hub.cli.main import main
from store.migrations.migrate import plan, upgrade
from store.sql.lockfile import exclusive
from tests.support.logs import captured_logs

Captured = pytest.CaptureFixture[str]
FLAGS = ("--practice", "On the square", "--region", "AT", "--dentist", "Dr Ann")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, on a machine that knows no place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    for name in ("LC_ALL", "LC_ADDRESS", "LANG"):
        monkeypatch.delenv(name, raising=False)
    with captured_logs():
        yield tmp_path


def output(capsys: Captured, *argv: str) -> dict[str, object]:
    assert main(["setup", *argv, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: Captured, *argv: str) -> str:
    assert main(["setup", *argv]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """What is typed at the terminal; then it is closed."""
    terminal = io.StringIO("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)


def test_setup_with_flags_leaves_a_hub_that_can_run(elsewhere: Path, capsys: Captured) -> None:
    made = output(capsys, *FLAGS, "--desk", "Eva", "--dentist-email", "ann@example.org")
    assert made["new"]
    assert [
        (each["role"], each["name"], each["subject"])
        for each in made["people"]  # type: ignore[attr-defined]  # of JSON
    ] == [("dentist", "Dr Ann", "ann@example.org"), ("staff", "Eva", "desk")]
    settings = tomllib.loads((elsewhere / "config.toml").read_text())
    assert settings["practice"] == {"region": "AT", "require_contact": True}
    assert (elsewhere / "config.toml").stat().st_mode & 0o777 == 0o600
    assert main(["check"]) == 0
    assert "1 dentists, 0 patients" in capsys.readouterr().out
    assert main(["token", "--role", "staff", "--subject", "desk"]) == 0
    secret = settings["auth"]["secret"]
    token = capsys.readouterr().out.strip()
    assert jwt.decode(token, secret, algorithms=["HS256"])["sub"] == "desk"


def test_people_of_a_new_hub_get_links_to_sign_in(elsewhere: Path, capsys: Captured) -> None:
    made = output(capsys, *FLAGS, "--desk", "Eva")
    settings = tomllib.loads((elsewhere / "config.toml").read_text())
    assert settings["sign_in"] == {"enabled": True}
    address = settings["server"]["public_url"]
    links = made["invitations"]
    assert isinstance(links, dict)
    assert list(links) == ["admin admin", "dentist Dr Ann", "staff Eva"]
    assert all(url.startswith(f"{address}/sign-in#invitation=") for url in links.values())
    assert len({*links.values()}) == 3
    written = (elsewhere / "config.toml").read_text()
    assert not any(url.rpartition("=")[2] in written for url in links.values())


def test_setup_again_changes_nothing(elsewhere: Path, capsys: Captured) -> None:
    made = output(capsys, *FLAGS)
    config = (elsewhere / "config.toml").read_bytes()
    again = output(capsys, "--practice", "Other", "--dentist", "Dr Bob", "--region", "DE")
    assert again == {"new": False, "practices": made["practices"]}
    assert main(["setup"]) == 0
    assert "set up already, for On the square. Nothing was changed." in capsys.readouterr().out
    assert (elsewhere / "config.toml").read_bytes() == config


def test_setup_adds_another_practice_on_request(capsys: Captured) -> None:
    output(capsys, *FLAGS)
    other = ("--another", "--practice", "Other", "--dentist", "Dr Bob", "--region", "DE")
    made = output(capsys, *other)
    assert [each["subject"] for each in made["people"]] == ["dentist-2"]  # type: ignore[attr-defined]  # of JSON
    assert len(output(capsys)["practices"]) == 2  # type: ignore[arg-type]  # of JSON


def test_setup_prints_what_to_do_next(capsys: Captured) -> None:
    assert main(["setup", *FLAGS]) == 0
    out = capsys.readouterr().out
    assert "On the square is set up (AT, Europe/Vienna)." in out
    for line in ("chairside serve", "chairside token --role dentist --subject dentist --ttl 1d"):
        assert f"  {line}\n" in out


def test_what_is_not_given_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    typed(monkeypatch, "", "On the square", "Austria", "AT", "", "", "Dr Ann", "no", "", "", "")
    assert main(["setup"]) == 0
    out, err = capsys.readouterr()
    assert "An answer is needed." in err
    assert "--region" in err
    assert "--dentist-email" in err
    assert "Time zone of the practice [Europe/Vienna]: " in out
    assert "On the square is set up (AT, Europe/Vienna)." in out


def test_a_terminal_that_is_closed_changes_nothing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    typed(monkeypatch, "On the square", "AT")
    assert main(["setup"]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--region", "AT", "--dentist", "Dr Ann"), "--practice"),
        (("--practice", "P", "--dentist", "Dr Ann"), "--region"),
        (("--practice", "P", "--region", "AT"), "--dentist"),
        ((*FLAGS, "--region", "Austria"), "--region"),
        ((*FLAGS, "--time-zone", "Vienna"), "--time-zone"),
        ((*FLAGS, "--phone", "call me"), "--phone"),
        ((*FLAGS, "--dentist-email", "ann"), "--dentist-email"),
        ((*FLAGS, "--desk", "\t"), "--desk"),
    ],
)
def test_an_answer_that_cannot_be_used_changes_nothing(
    argv: tuple[str, ...], said: str, elsewhere: Path, capsys: Captured
) -> None:
    assert said in refusal(capsys, "--yes", *argv)
    assert not list(elsewhere.iterdir())


def test_setup_is_refused_while_a_hub_runs(elsewhere: Path, capsys: Captured) -> None:
    assert main(["migrate"]) == 0
    capsys.readouterr()
    with exclusive(Path("chairside.db")):
        assert "in use by another hub" in refusal(capsys, *FLAGS)
    assert not (elsewhere / "config.toml").exists()


def test_an_existing_configuration_is_used_and_not_changed(
    elsewhere: Path, capsys: Captured
) -> None:
    file = elsewhere / "hub.toml"
    file.write_text('[database]\nurl = "sqlite:///other.db"\n')
    made = output(capsys, *FLAGS, "--config", "hub.toml")
    assert (elsewhere / "other.db").exists()
    assert file.read_text() == '[database]\nurl = "sqlite:///other.db"\n'
    lines = cast("list[str]", made["settings_to_add"])
    wanted = {"auth": {}, "practice": {"require_contact": True, "region": "AT"}}
    assert tomllib.loads("\n".join(lines)) == wanted, "nothing that is secret is printed"
    assert "secrets.token_urlsafe" in lines[1]
    file.write_text("\n".join([file.read_text(), *lines]))
    again = output(capsys, *FLAGS, "--config", "hub.toml", "--database", "sqlite:///other.db")
    assert not again["new"]
    refused = refusal(capsys, *FLAGS, "--config", "hub.toml", "--database", "sqlite:///third.db")
    assert "hub.toml is there already" in refused


def test_a_database_of_an_older_version_is_migrated(elsewhere: Path, capsys: Captured) -> None:
    upgrade("sqlite:///chairside.db", to="0012")
    assert output(capsys, *FLAGS)["new"]
    assert (elsewhere / "config.toml").exists()
    assert not plan("sqlite:///chairside.db").pending


def test_the_same_command_can_be_repeated_with_its_database(capsys: Captured) -> None:
    url = ("--database", "sqlite:///own.db")
    made = output(capsys, *FLAGS, *url)
    assert output(capsys, *FLAGS, *url) == {"new": False, "practices": made["practices"]}
    other = ("--database", "sqlite:///other.db")
    assert "is there already" in refusal(capsys, *FLAGS, *other)


def test_the_printed_commands_are_quoted_for_a_shell(elsewhere: Path, capsys: Captured) -> None:
    (elsewhere / "my hub").mkdir()
    admin = ("--admin", "the admin; reboot")
    assert main(["setup", *FLAGS, *admin, "--config", "my hub/c.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    printed = [shlex.split(each) for each in lines if each.startswith("  chairside")]
    assert all(each[2:4] == ["--config", "my hub/c.toml"] for each in printed), printed
    assert ["--subject", "the admin; reboot"] in [each[6:8] for each in printed]


def test_an_interrupted_setup_is_completed_by_the_next(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    with monkeypatch.context() as patch:

        async def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("actors.services.founding.Founding.found", interrupted)
        assert main(["setup", *FLAGS]) == 130
    secret = tomllib.loads((elsewhere / "config.toml").read_text())["auth"]["secret"]
    capsys.readouterr()
    assert output(capsys, *FLAGS)["new"]
    assert tomllib.loads((elsewhere / "config.toml").read_text())["auth"]["secret"] == secret
