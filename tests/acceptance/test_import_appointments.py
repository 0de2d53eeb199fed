"""``import-appointments``: past visits become history, others are booked by the rules."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.cli.main import main
from tests.support.clinic import Clinic

Import = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def imported(
    clinic: Clinic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Import:
    """Runs the command on a file, as the desk of the first practice: exit code and report."""
    monkeypatch.setenv("CHAIRSIDE_TOKEN", clinic.staff[0].token)
    monkeypatch.setenv("CHAIRSIDE_URL", clinic.url)
    file = tmp_path / "visits.csv"

    def command(text: str, *argv: str) -> tuple[int, dict[str, Any]]:
        file.write_text(text)
        capsys.readouterr()
        code = main(["import-appointments", str(file), "--json", *argv])
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, report

    return command


def day(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%d.%m.%Y}"


HEADING = "Patient;E-Mail;Behandler;Terminart;Datum;Uhrzeit;Status;Notiz\n"


def row(number: int, days: int, at: str, status: str = "", notes: str = "") -> str:
    who = f"Patient {number};patient-{number}@example.org"
    return f"{who};Dentist 0;check-up;{day(days)};{at};{status};{notes}\n"


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["created"], report["known"], report["refused"]


async def visits(clinic: Clinic) -> list[tuple[str, str, str | None]]:
    answer = await clinic.api(clinic.dentists[0]).get("/api/appointments", sort="start")
    assert answer.status == 200, answer.body
    return [
        (each["patient"]["name"], each["status"], each["notes"]) for each in answer.body["data"]
    ]


async def test_past_visits_are_history_and_others_are_booked(
    clinic: Clinic, imported: Import
) -> None:
    text = (
        HEADING
        + row(0, -30, "09:00", notes="Root canal")
        + row(1, -30, "09:15", "no show")
        + row(2, -20, "10:00", "storniert")
        + row(3, 10, "10:00")
        + row(4, 10, "10:15")
        + row(5, 11, "10:00", "storniert")
        + row(99, -30, "11:00")
    )
    code, report = await asyncio.to_thread(imported, text)
    assert (code, counts(report)) == (1, (4, 0, 3)), report
    assert [(each["line"], each["field"]) for each in report["lines"]] == [
        (6, "visit"),
        (7, "status"),
        (8, "patient"),
    ]
    assert "SLOT_TAKEN" in report["lines"][0]["message"]
    entered = [
        ("Patient 0", "completed", "Root canal"),
        ("Patient 1", "no_show", None),
        ("Patient 2", "cancelled", None),
        ("Patient 3", "confirmed", None),
    ]
    assert await visits(clinic) == entered
    code, report = await asyncio.to_thread(imported, text)
    assert counts(report) == (0, 4, 3), report
    assert await visits(clinic) == entered


async def test_a_dry_run_enters_nothing(clinic: Clinic, imported: Import) -> None:
    text = HEADING + row(0, -30, "09:00") + row(3, 10, "10:00")
    code, report = await asyncio.to_thread(imported, text, "--dry-run")
    assert (code, counts(report)) == (0, (2, 0, 0))
    assert await visits(clinic) == []


async def test_a_visit_that_an_earlier_import_left_half_done_is_completed(
    clinic: Clinic, imported: Import
) -> None:
    start = f"{datetime.now(UTC) - timedelta(days=30):%Y-%m-%dT09:00:00Z}"
    slot = {**clinic.slot(), "start": start, "patient_id": clinic.patients[0].id}
    made = await clinic.api(clinic.staff[0]).post("/api/appointments", slot)
    assert made.status == 201, made.body
    _, report = await asyncio.to_thread(imported, HEADING + row(0, -30, "09:00"))
    assert counts(report) == (0, 1, 0)
    assert [status for _, status, _ in await visits(clinic)] == ["completed"]


async def test_a_past_visit_that_was_only_planned_stays_so(
    clinic: Clinic, imported: Import
) -> None:
    text = HEADING + row(0, -30, "09:00", "geplant") + row(1, -30, "10:00")
    text += row(2, 10, "10:00", "confirmed")
    for expected in ((3, 0, 0), (0, 3, 0)):
        _, report = await asyncio.to_thread(imported, text)
        assert counts(report) == expected, report
        shown = {name: status for name, status, _ in await visits(clinic)}
        assert shown == {
            "Patient 0": "confirmed",
            "Patient 1": "completed",
            "Patient 2": "confirmed",
        }


async def test_a_patient_is_found_behind_the_first_page_of_a_search(
    clinic: Clinic, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.visits.entering._FOUND_AT_ONCE", 1)
    desk = clinic.api(clinic.staff[0])
    for name in ("Kim Abel-Fox", "Kim Fox"):
        body = {"role": "patient", "name": name, "allow_duplicate": True}
        assert (await desk.post("/api/profiles", body)).status == 201
    visit = row(0, 10, "09:00").replace("Patient 0;patient-0@example.org", "Kim Fox;")
    _, report = await asyncio.to_thread(imported, HEADING + visit)
    assert counts(report) == (1, 0, 0), report


async def test_a_row_whose_search_fails_is_refused_alone(clinic: Clinic, imported: Import) -> None:
    text = HEADING + row(0, 10, "09:00").replace("patient-0@example.org", "x" * 2_000)
    _, report = await asyncio.to_thread(imported, text + row(1, 10, "10:00"))
    assert counts(report) == (1, 0, 1), report
    assert report["lines"][0]["field"] == "visit"


async def test_names_that_are_unknown_are_refused_with_the_known_ones(imported: Import) -> None:
    text = HEADING + row(0, 10, "09:00").replace("Dentist 0", "Dr. Nobody")
    text += row(0, 10, "09:00").replace("check-up", "massage")
    code, report = await asyncio.to_thread(imported, text)
    assert (code, counts(report)) == (1, (0, 0, 2))
    fields = [(each["field"], each["message"]) for each in report["lines"]]
    assert fields[0][0] == "dentist"
    assert "Dentist 1" in fields[0][1]
    assert fields[1][0] == "type"
    assert "check-up" in fields[1][1]
