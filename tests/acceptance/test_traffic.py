"""``chairside traffic`` succeeds on a healthy hub, and fails on any violation."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.settings import ApiSettings
from chairside.client import LiveClient
from chairside.traffic.audit import AuditClients, AuditFindings, audit, audit_channels
from chairside.traffic.context import SimulationPlan
from chairside.traffic.founding import PracticePlan, found_practice
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.report import as_json
from chairside.traffic.screens import Observer
from chairside.traffic.simulation import Simulation, settle
from hub.cli.main import main
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic, Person
from tests.support.database import execute, without_guards
from tests.support.eventually import eventually
from tests.support.tokens import token


def links_of(clinic: Clinic) -> Links:
    def linked(people: tuple[Person, ...]) -> tuple[LinkedPerson, ...]:
        return tuple(LinkedPerson(id=one.id, token=one.token) for one in people)

    return Links(
        dentists=linked(clinic.dentists),
        patients=linked(clinic.patients),
        chatbot_token=CHATBOT,
        appointment_type_ids=(clinic.types["check-up"],),
    )


async def report_of(simulation: Simulation, is_enough: Callable[[], bool]) -> dict[str, Any]:
    """Run until enough has happened, however slow the machine is."""
    running = asyncio.create_task(simulation.run())
    await eventually(lambda: running.done() or is_enough(), 100.0)
    simulation.finish()
    report = as_json(await running)
    assert is_enough(), report
    return report


@pytest.mark.timeout(240)
async def test_a_healthy_hub_passes_and_keeps_its_opening_hours(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(api=ApiSettings(rate_per_s=1_000, rate_burst=1_000)) as clinic:
        before = await hours(clinic)
        plan = SimulationPlan(
            url=clinic.url, links=links_of(clinic), seconds=100, patients=40, seed=7
        )
        simulation = Simulation(plan)
        done, ledger = simulation.statistics.commands, simulation.ledger
        report = await report_of(
            simulation,
            lambda: done.total() > 150 and ledger.bookings > 5 and done["change hours"] > 0,
        )
        assert await hours(clinic) == before
    assert report["verdict"] == "ok", report["problems"]
    assert report["bookings"] > 5
    assert report["commands"]["total"] > 100
    assert report["commands"]["change hours"] > 0
    assert report["latencies"]["booking_to_every_dashboard"]["count"] == report["bookings"]
    audit = report["audit"]
    assert audit["acknowledged"] >= report["bookings"]
    assert audit["channels"] > 50
    assert audit["events"] > 100
    assert (audit["overlaps"], audit["lost"], audit["duplicates"], audit["other"]) == (0, 0, 0, 0)


async def hours(clinic: Clinic) -> list[object]:
    """The overrides of all dentists, which traffic changes."""
    paths = [f"/api/availability/{dentist.id}" for dentist in clinic.dentists]
    return [(await clinic.admin.get(path)).body["overrides"] for path in paths]


# --- what the audit finds -----------------------------------------------------------------


async def audited(clinic: Clinic, ledger: Ledger) -> AuditFindings:
    clients = AuditClients.of(clinic.url, links_of(clinic), clinic.session)
    return await audit(clients, ledger, [])


async def acknowledged(clinic: Clinic) -> Ledger:
    """Two bookings, one cancellation and a hold, all acknowledged."""
    ledger = Ledger()
    clients = AuditClients.of(clinic.url, links_of(clinic), clinic.session)
    one, two, three = (clients.patients[each.id] for each in clinic.patients[:3])
    dentist, kind = clinic.dentists[0].id, clinic.types["check-up"]
    for client, clock in ((one, "09:00"), (two, "10:00"), (three, "11:00")):
        ledger.booked(
            await client.book_slot(
                dentist_id=dentist, appointment_type_id=kind, start=clinic.at(clock)
            )
        )
    last = list(ledger.rows)[-1]
    await three.cancel(last.row["id"])
    ledger.cancelled(await three.appointment(last.row["id"]))
    ledger.held(
        await one.hold(dentist_id=dentist, appointment_type_id=kind, start=clinic.at("12:00"))
    )
    return ledger


async def test_the_audit_of_a_correct_hub_finds_nothing(clinic: Clinic) -> None:
    findings = await audited(clinic, await acknowledged(clinic))
    assert findings.problems == []
    assert findings.acknowledged == 3


async def test_the_audit_finds_two_live_rows_at_one_time(clinic: Clinic) -> None:
    ledger = await acknowledged(clinic)
    await clinic.book(clinic.patients[4], "15:00")
    _without_guards(
        clinic,
        "UPDATE appointments SET starts_at = (SELECT MIN(starts_at) FROM appointments),"
        " ends_at = (SELECT MIN(ends_at) FROM appointments)"
        " WHERE starts_at = (SELECT MAX(starts_at) FROM appointments)",
    )
    findings = await audited(clinic, ledger)
    assert len(findings.overlaps) == 1
    assert clinic.dentists[0].id in findings.overlaps[0]


async def test_the_audit_finds_an_acknowledged_booking_that_is_lost(clinic: Clinic) -> None:
    ledger = await acknowledged(clinic)
    _without_guards(
        clinic,
        "DELETE FROM appointments WHERE starts_at = (SELECT MIN(starts_at) FROM appointments)",
    )
    findings = await audited(clinic, ledger)
    (lost,) = findings.lost
    assert "acknowledged and lost" in lost


async def test_the_audit_finds_a_cancellation_that_was_undone(clinic: Clinic) -> None:
    ledger = await acknowledged(clinic)
    _without_guards(
        clinic,
        "UPDATE appointments SET status = 'confirmed', version = version + 1"
        " WHERE status = 'cancelled'",
    )
    findings = await audited(clinic, ledger)
    (lost,) = findings.lost
    assert "cancelled, now confirmed" in lost


async def test_the_audit_finds_a_hold_with_another_expiry(clinic: Clinic) -> None:
    ledger = await acknowledged(clinic)
    _without_guards(clinic, "UPDATE appointments SET expires_at = updated_at WHERE status = 'held'")
    findings = await audited(clinic, ledger)
    assert len(findings.lost) == 1


async def test_the_audit_finds_an_event_that_a_screen_missed(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    clients = AuditClients.of(clinic.url, links_of(clinic), clinic.session)
    observer = Observer("dashboard", clients.dentists[dentist.id])
    async with LiveClient(
        clinic.url,
        namespace="/dentist",
        token=dentist.token,
        on_event=observer.on_event,
        on_refetch=observer.on_refetch,
    ):
        await acknowledged(clinic)
        await settle([observer])
    healthy, findings = AuditFindings(), AuditFindings()
    await audit_channels([observer], healthy)
    assert healthy.problems == []
    shown = observer.channels[f"appointments:dentist:{dentist.id}"].shown
    assert len(shown) == 5
    del shown[1]
    await audit_channels([observer], findings)
    (lost,) = findings.lost
    assert "1 never shown" in lost


def _without_guards(clinic: Clinic, statement: str) -> None:
    """Execute a statement that a hub never would, after dropping the database's guards."""
    execute(clinic.database, *without_guards(clinic.database), statement)


# --- the command itself --------------------------------------------------------------------


async def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command in a thread with its own event loop: (exit code, stdout, stderr)."""
    code = await asyncio.to_thread(main, ["traffic", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


async def test_the_command_prints_its_verdict_as_json_and_exits_0(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    links = tmp_path / "links.json"
    links.write_text(json.dumps(_links_json(clinic)))
    code, out, err = await command(
        capsys, clinic.url, "--links", str(links), "--seconds", "1", "--patients", "10", "--json"
    )
    assert code == 0, err
    report = json.loads(out)
    assert report["verdict"] == "ok"
    assert report["patients"] == 10


async def test_the_command_shows_progress_and_a_verdict(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    links = tmp_path / "links.json"
    links.write_text(json.dumps(_links_json(clinic)))
    code, out, err = await command(
        capsys, clinic.url, "--links", str(links), "--seconds", "1", "--patients", "10"
    )
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("connecting")
    assert lines[-1] == "verdict: ok"
    assert any(line.startswith("booking → every dashboard") for line in lines)


@pytest.mark.timeout(240)
async def test_a_day_of_a_practice_passes_and_leaves_its_hours_alone(
    open_clinic: OpenClinic,
) -> None:
    fast = ApiSettings(rate_per_s=1_000, rate_burst=1_000)
    async with open_clinic(api=fast) as clinic:
        links = await found_practice(practice_plan(clinic))
        plan = SimulationPlan(url=clinic.url, links=links, seconds=100, patients=24, seed=7)
        simulation = Simulation(plan)
        done = simulation.statistics.commands
        report = await report_of(
            simulation, lambda: done.keys() >= WORK and done["stranger"] > 5 and done["hold"] > 5
        )
        again = await found_practice(practice_plan(clinic))
        assert [each.id for each in again.patients] == [each.id for each in links.patients]
        practice = (await clinic.admin.get(f"/api/practices/{links.practice_id}")).body
        assert practice["closures"] == []
        for dentist in links.dentists:
            schedule = (await clinic.admin.get(f"/api/availability/{dentist.id}")).body
            assert (schedule["time_off"], schedule["overrides"]) == ([], [])
    assert report["verdict"] == "ok", report["problems"]
    assert report["bookings"] > 5
    assert report["audit"]["boards"] == 3 * 6 + 2 + 1 + 12
    assert (report["audit"]["differing"], report["audit"]["visible"]) == (0, 0)


@pytest.mark.timeout(240)
async def test_a_stranger_who_sees_the_practice_fails_the_run(open_clinic: OpenClinic) -> None:
    fast = ApiSettings(rate_per_s=1_000, rate_burst=1_000)
    async with open_clinic(api=fast) as clinic:
        links = await found_practice(practice_plan(clinic))
        let_in = replace(links, stranger=links.desks[1])
        plan = SimulationPlan(url=clinic.url, links=let_in, seconds=100, patients=8, seed=7)
        simulation = Simulation(plan)
        boards, seen = simulation.boards, simulation.findings.visible
        report = await report_of(
            simulation,
            lambda: len(seen) > 20 and any("created" in e for b in boards for e in b.visible),
        )
    assert report["verdict"] == "failed"
    assert report["audit"]["visible"] > 5
    assert any(each.startswith("visible: the stranger: GET ") for each in report["problems"])
    assert any("appointment.created in appointments:" in each for each in report["problems"])


WORK = {"desk books", "check in", "enter patient", "search", "change closures", "time off"}
WORK |= {"desk moves", "desk cancels", "to another dentist"}
"""What a desk does, by the names of the report."""


def practice_plan(clinic: Clinic) -> PracticePlan:
    return PracticePlan(url=clinic.url, issue=partial(token, ttl_s=3_600), patients=24)


@pytest.mark.parametrize("problem", ["no links", "no hub", "foreign tokens"])
async def test_the_command_reports_what_is_wrong_and_exits_1(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str], problem: str
) -> None:
    links = tmp_path / "links.json"
    content = _links_json(clinic)
    if problem == "foreign tokens":
        content["dentists"][0]["token"] = "nonsense"
    if problem != "no links":
        links.write_text(json.dumps(content))
    url = "http://127.0.0.1:1" if problem == "no hub" else clinic.url
    code, out, err = await command(capsys, url, "--links", str(links), "--seconds", "1", "--json")
    assert (code, out) == (1, "")
    assert err.startswith("chairside traffic: ")
    assert "Traceback" not in err


def _links_json(clinic: Clinic) -> dict[str, Any]:
    def people(some: tuple[Person, ...]) -> list[dict[str, object]]:
        return [{"id": one.id, "name": one.name, "token": one.token} for one in some]

    return {
        "dentists": people(clinic.dentists),
        "patients": people(clinic.patients),
        "chatbot": {"token": CHATBOT},
        "appointment_types": [
            {"id": clinic.types["check-up"], "name": "check-up", "duration_minutes": 30}
        ],
    }
