"""Runs the tour of the README against a demo clinic."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.commandline import ROOT, command, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(label: str) -> str:
    """The code under ``<!-- run: LABEL -->``."""
    found = re.search(rf"<!-- run: {re.escape(label)} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block {label}"
    return found[1]


async def test_the_tour_books_a_slot_and_the_dentists_terminal_shows_it(tmp_path: Path) -> None:
    (tmp_path / "listen.py").write_text(block("listen.py"), encoding="utf-8")
    async with command(tmp_path, "demo"), listener(tmp_path) as dentist:
        assert (await line_of(dentist, "hub:ready")).startswith("hub:ready")
        patient = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            block("sh"),
            cwd=tmp_path,
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await patient.communicate()
        assert (patient.returncode, err) == (0, b""), err
        start, booked, page, health = outputs_of(out.decode())
        assert booked["status"] == "confirmed"
        assert booked["start"] == start
        assert booked["id"] in [row["id"] for row in page["data"]]
        assert health["status"] == "ok"
        held = await line_of(dentist, "reservation.created")
        created = await line_of(dentist, "appointment.created")
    assert booked["id"] in held
    assert booked["id"] in created


def outputs_of(out: str) -> tuple[str, dict, dict, dict]:  # type: ignore[type-arg]  # JSON
    """The first free slot, and the three JSON documents that the tour prints after it."""
    sentence, _, documents = out.partition("\n")
    start = sentence.removeprefix("first free slot: ")
    found, decoder = [], json.JSONDecoder()
    while documents := documents.strip():
        document, end = decoder.raw_decode(documents)
        found.append(document)
        documents = documents[end:]
    booked, page, health = found
    return start, booked, page, health


@asynccontextmanager
async def listener(folder: Path) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "listen.py",
        cwd=folder,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def line_of(stream: asyncio.StreamReader, event: str) -> str:
    """The listener's next line that begins with ``event``."""
    async with asyncio.timeout(20):
        while line := (await stream.readline()).decode():
            if line.startswith(event):
                return line
    raise AssertionError(f"the listener ended without {event}")


@pytest.mark.parametrize("name", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_of_the_readme_exist(name: str) -> None:
    assert (ROOT / name).exists()


def test_the_client_of_the_tour_has_ten_lines() -> None:
    assert len([line for line in block("listen.py").splitlines() if line]) <= 10


def test_every_command_of_the_readme_exists() -> None:
    table = re.findall(r"^\| `chairside (\w+)[^|]*?(?:· `(\w+)[^|]*)?\|", README, re.MULTILINE)
    named = {name for names in table for name in names if name}
    modules = {path.stem.rstrip("_") for path in (ROOT / "hub" / "cli").glob("[a-z]*.py")}
    assert named == modules - {"common", "main", "patient_access", "progress"}
