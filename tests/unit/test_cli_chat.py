"""``chairside chat`` and ``chairside mcp``: their tokens, patients and start errors."""

import argparse
import json
from pathlib import Path

import jwt
import pytest

from chairside.patient_access import PatientAccess
from hub.cli.common import CliError
from hub.cli.main import main
from hub.cli.patient_access import patient_access
from tests.support.logs import captured_logs
from tests.support.tokens import SECRET, token

PATIENT = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
SERVICE = token("chatbot", "bot")
OWN = token("patient", "ada")
DELEGATED = token("patient", "ada", act={"sub": "bot"})

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def links(tmp_path: Path) -> Path:
    path = tmp_path / "links.json"
    people = [{"id": PATIENT, "name": "Ada Novak"}, {"id": PATIENT[::-1], "name": "Bo Weber"}]
    path.write_text(
        json.dumps({"url": "http://hub", "patients": people, "chatbot": {"token": SERVICE}})
    )
    return path


def access(
    links: Path, *, who: str | None = None, url: str | None = None, **environ: str
) -> PatientAccess:
    return patient_access(argparse.Namespace(url=url, patient=who, links=links), environ)


def test_the_links_of_a_demo_name_the_token_and_the_patient(links: Path) -> None:
    assert access(links) == PatientAccess(url="http://hub", token=SERVICE, on_behalf_of=PATIENT)
    for who in ("2", "weber", PATIENT[::-1]):
        assert access(links, who=who).on_behalf_of == PATIENT[::-1]
    assert access(links, url="http://other").url == "http://other"
    for unknown in ("3", "0", "zoe"):
        with pytest.raises(CliError, match="no patient"):
            access(links, who=unknown)


def test_a_token_must_have_an_act_claim_or_be_a_service_token(links: Path) -> None:
    found = access(links, CHAIRSIDE_TOKEN=DELEGATED, CHAIRSIDE_URL="http://x")
    assert found == PatientAccess(url="http://x", token=DELEGATED, on_behalf_of=None)
    found = access(links, CHAIRSIDE_TOKEN=SERVICE, CHAIRSIDE_PATIENT=PATIENT)
    assert (found.token, found.on_behalf_of) == (SERVICE, PATIENT)
    for plain in (OWN, SERVICE, "nonsense", "a.b.c", ""):
        with pytest.raises(CliError, match="act"):
            access(links, CHAIRSIDE_TOKEN=plain)
    with pytest.raises(CliError, match="id of a patient"):
        access(links, who="Ada", CHAIRSIDE_TOKEN=SERVICE)


def test_messages_and_reprs_contain_no_token(links: Path) -> None:
    assert SERVICE not in repr(access(links))
    with pytest.raises(CliError) as refused:
        access(links, CHAIRSIDE_TOKEN=OWN)
    assert OWN not in str(refused.value)


@pytest.mark.parametrize("command", ["chat", "mcp"])
def test_a_missing_token_ends_in_one_sentence(
    command: str,
    capsys: Captured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with captured_logs():
        assert main([command]) == 1
        assert "CHAIRSIDE_TOKEN" in capsys.readouterr().err
        (tmp_path / "links.json").write_text("{}")
        assert main([command, "--links", "links.json"]) == 1
        assert "chairside demo" in capsys.readouterr().err
        monkeypatch.setenv("CHAIRSIDE_TOKEN", OWN)
        assert main([command]) == 1
        assert "act" in capsys.readouterr().err


def test_a_token_can_name_the_chatbot_that_uses_it(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAIRSIDE_AUTH_SECRET", SECRET)
    with captured_logs():
        argv = ["token", "--role", "patient", "--subject", "ada", "--actor", "bot"]
        assert main(argv) == 0
        claims = jwt.decode(capsys.readouterr().out.strip(), SECRET, algorithms=["HS256"])
        assert claims["act"] == {"sub": "bot"}
        assert main(["token", "--role", "dentist", "--subject", "x", "--actor", "bot"]) == 1
        assert "--actor" in capsys.readouterr().err
