"""The command line: an error is one sentence, and the exit code is 0 only on success."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from hub import __version__
from hub.cli.main import main
from tests.support.logs import captured_logs

SECRET = "a-secret-of-thirty-two-bytes-or-more"
COMMANDS = (
    *("setup", "serve", "demo", "token", "migrate", "check"),
    *(
        "backup",
        "restore",
        "export",
        "import",
        "import-patients",
        "export-patients",
        "import-appointments",
        "traffic",
        "chat",
        "mcp",
    ),
)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder; afterwards the logging of the tests is restored."""
    monkeypatch.chdir(tmp_path)
    with captured_logs():
        yield tmp_path


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CHAIRSIDE_AUTH_SECRET", SECRET)
    return SECRET


def refusal(capsys: Captured, *argv: str) -> str:
    """The message of a failing command: one line on standard error, nothing else."""
    assert main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert f"chairside {command}" in out.partition("example:\n")[2]
    assert "--json" in out


@pytest.mark.parametrize("argv", [[], ["unknown"], ["serve", "--port", "70000"], ["token"]])
def test_an_invalid_command_line_is_an_error(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code != 0


def test_version_prints_the_version(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"chairside {__version__}\n"


# --- token ---------------------------------------------------------------------------


def test_token_prints_a_token_and_nothing_else(secret: str, capsys: Captured) -> None:
    assert main(["token", "--role", "patient", "--subject", "me", "--ttl", "15m"]) == 0
    out, err = capsys.readouterr()
    claims = jwt.decode(out.strip(), secret, algorithms=["HS256"])
    assert (claims["sub"], claims["role"], err) == ("me", "patient", "")
    left = datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC)
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


def test_a_token_has_the_claims_that_the_configuration_requires(
    secret: str, tmp_path: Path, capsys: Captured
) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(
        "[auth]\naudience = 'clinic'\nissuer = 'us'\nrole_claim = 'app_metadata.role'\n"
    )
    argv = ["token", "--role", "admin", "--subject", "me", "--config", str(config), "--json"]
    assert main(argv) == 0
    token = json.loads(capsys.readouterr().out)["token"]
    claims = jwt.decode(token, secret, algorithms=["HS256"], audience="clinic", issuer="us")
    assert claims["app_metadata"] == {"role": "admin"}


def test_token_without_a_secret_is_refused(capsys: Captured) -> None:
    message = refusal(capsys, "token", "--role", "patient", "--subject", "me")
    assert message.startswith("chairside token: ")
    assert "CHAIRSIDE_AUTH_SECRET" in message


def test_token_with_a_jwks_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("CHAIRSIDE_AUTH_JWKS", "keys.json")
    assert "auth.secret" in refusal(capsys, "token", "--role", "patient", "--subject", "me")


@pytest.mark.parametrize(
    "ttl", ["", "0s", "1", "h", "-1h", "1w", "1.5h", "99999999s", "9999999d", "36501d"]
)
def test_an_invalid_duration_is_refused(secret: str, ttl: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "--role", "patient", "--subject", "me", f"--ttl={ttl}"])
    assert ended.value.code != 0


# --- migrate and check ---------------------------------------------------------------


def test_check_reports_what_is_missing_and_then_success(secret: str, capsys: Captured) -> None:
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "✓ configuration" in out
    assert "✗ database: chairside.db is not there; run `chairside migrate`" in out

    assert main(["migrate"]) == 0
    capsys.readouterr()
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "✗" not in out
    assert "0 dentists, 0 patients, 0 appointments" in out


def test_migrate_reports_its_steps_and_may_be_repeated(capsys: Captured) -> None:
    assert main(["migrate", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["from"] is None
    assert first["applied"][-1] == first["to"]
    assert main(["migrate", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again == {"from": first["to"], "to": first["to"], "applied": []}


def test_check_names_an_invalid_setting(elsewhere: Path, capsys: Captured) -> None:
    (elsewhere / "config.toml").write_text("[server]\nprot = 1\n")
    assert main(["check"]) == 1
    assert "did you mean server.port?" in capsys.readouterr().out


def test_check_names_missing_keys(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["migrate"])
    capsys.readouterr()
    assert main(["check", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["ok"]
    assert any("No key to verify tokens" in line["what"] for line in answer["checks"])
    monkeypatch.setenv("CHAIRSIDE_AUTH_JWKS", "none.json")
    assert main(["check"]) == 1
    assert "none.json, which is not there" in capsys.readouterr().out


def test_check_reports_a_file_that_is_no_database(
    secret: str, elsewhere: Path, capsys: Captured
) -> None:
    (elsewhere / "chairside.db").write_bytes(
        b"not a database, but long enough to look like one" * 99
    )
    assert main(["check"]) == 1
    assert "✗ database: chairside.db cannot be read" in capsys.readouterr().out


def test_check_reports_appointments_that_overlap(
    secret: str, elsewhere: Path, capsys: Captured
) -> None:
    main(["migrate"])
    with_overlap(elsewhere / "chairside.db")
    assert main(["check"]) == 1
    assert (
        "✗ database: appointment b overlaps another one of its dentist" in capsys.readouterr().out
    )


def with_overlap(path: Path) -> None:
    """Two overlapping live rows, which only a database without its triggers accepts."""
    database = sqlite3.connect(path)
    guards = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in guards:
        database.execute(f'DROP TRIGGER "{name}"')
    for person, role in (("d", "dentist"), ("p", "patient")):
        database.execute(
            "INSERT INTO profiles (id, role, name, version, search_text) VALUES (?, ?, ?, 1, '')",
            (person, role, person),
        )
    database.execute("INSERT INTO calendars VALUES ('d', 1, NULL, '{}', 1)")
    database.execute(
        "INSERT INTO appointment_types (id, name, duration_minutes, buffer_before_minutes,"
        " buffer_after_minutes, version) VALUES ('t', 'Check-up', 30, 0, 0, 1)"
    )
    for row, starts_at, ends_at in (("a", 0, 60), ("b", 30, 90), ("c", 90, 120)):
        database.execute(
            "INSERT INTO appointments (id, dentist_id, patient_id, appointment_type_id,"
            " starts_at, ends_at, buffer_before_minutes, buffer_after_minutes, status, version,"
            " overbooked, created_via, created_at, updated_at, changed_by, on_behalf_of)"
            " VALUES (?, 'd', 'p', 't', ?, ?, 0, 0, 'confirmed', 1, 0, 'patient', 0, 0, 'p', 'p')",
            (row, starts_at, ends_at),
        )
    database.commit()
    database.close()


# --- serve and demo, before they serve ------------------------------------------------


def test_serve_without_keys_names_the_missing_setting(capsys: Captured) -> None:
    assert "CHAIRSIDE_AUTH_SECRET" in refusal(capsys, "serve")


def test_serve_names_a_missing_configuration_file(capsys: Captured) -> None:
    assert "none.toml" in refusal(capsys, "serve", "--config", "none.toml")


def test_serve_on_a_database_without_schema_names_migrate(secret: str, capsys: Captured) -> None:
    message = refusal(capsys, "serve", "--port", "0")
    assert "chairside migrate" in message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHAIRSIDE_SERVER_ENVIRONMENT", "production"),
        ("CHAIRSIDE_AUTH_SECRET", SECRET),
        ("CHAIRSIDE_DATABASE_URL", "sqlite:///clinic.db"),
    ],
)
def test_demo_refuses_the_settings_of_a_real_clinic(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured, elsewhere: Path
) -> None:
    monkeypatch.setenv(variable, value)
    assert refusal(capsys, "demo", "--port", "0").startswith("chairside demo: The demo ")
    assert not list(elsewhere.iterdir())
