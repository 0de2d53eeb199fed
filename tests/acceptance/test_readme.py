"""Runs the tour of the README against a demo clinic."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.support.commandline import ROOT, command
from tests.support.examples import example, line_of, program, shell_output_of

README = (ROOT / "README.md").read_text(encoding="utf-8")


async def test_the_tour_books_a_slot_and_the_dentists_terminal_shows_it(tmp_path: Path) -> None:
    (tmp_path / "listen.py").write_text(example("README.md", "listen.py"), encoding="utf-8")
    async with (
        command(tmp_path, "demo"),
        program(tmp_path, sys.executable, "listen.py") as dentist,
    ):
        assert (await line_of(dentist, "hub:ready")).startswith("hub:ready")
        output = await shell_output_of(tmp_path, example("README.md", "sh"))
        start, booked, page, health = results_of(output)
        assert booked["status"] == "confirmed"
        assert booked["start"] == start
        assert booked["id"] in [row["id"] for row in page["data"]]
        assert health["status"] == "ok"
        held = await line_of(dentist, "reservation.created")
        created = await line_of(dentist, "appointment.created")
    assert booked["id"] in held
    assert booked["id"] in created


def results_of(output: str) -> tuple[str, dict, dict, dict]:  # type: ignore[type-arg]  # JSON
    """The first free slot, and the three JSON documents that the tour prints after it."""
    sentence, _, documents = output.partition("\n")
    start = sentence.removeprefix("first free slot: ")
    found, decoder = [], json.JSONDecoder()
    while documents := documents.strip():
        document, end = decoder.raw_decode(documents)
        found.append(document)
        documents = documents[end:]
    booked, page, health = found
    return start, booked, page, health


@pytest.mark.parametrize("name", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_of_the_readme_exist(name: str) -> None:
    assert (ROOT / name).exists()


def test_the_client_of_the_tour_has_ten_lines() -> None:
    lines = example("README.md", "listen.py").splitlines()
    assert len([line for line in lines if line]) <= 10


def test_every_command_of_the_readme_exists() -> None:
    row = r"^\| `chairside ([\w-]+)[^|]*?(?:· `([\w-]+)[^|]*)?\|"
    table = re.findall(row, README, re.MULTILINE)
    named = {name.replace("-", "_") for names in table for name in names if name}
    modules = {path.stem.rstrip("_") for path in (ROOT / "hub" / "cli").glob("[a-z]*.py")}
    parts = {"check_connections", "check_result", "check_tokens"}
    shared = {"common", "desk_access", "main", "patient_access", "progress"}
    assert named == modules - parts - shared
