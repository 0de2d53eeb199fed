"""Criteria 10.1–10.5: event records, logs, health, metrics and caches of the hub."""

import asyncio
import re
from datetime import datetime
from typing import Any

from tests.support.clinic import ADMIN, Clinic, Person, appointments_of
from tests.support.database import execute, rows
from tests.support.eventually import eventually
from tests.support.logs import Logs

# --- 10.1 ----------------------------------------------------------------------------


async def test_r10_1_every_broadcast_is_recorded_with_time_and_latency(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    for _ in range(2):
        await clinic.screen(dentist)
    await clinic.screen(patient)
    booked = await clinic.book(patient)
    await clinic.api(patient).delete(f"/api/appointments/{booked['id']}")

    def recorded() -> list[dict[str, Any]]:
        found = rows(
            clinic.database,
            'SELECT * FROM realtime_events WHERE channel IN (?, ?) ORDER BY channel, "offset"',
            appointments_of(dentist),
            appointments_of(patient),
        )
        return found if all(row["status"] == "sent" for row in found) else []

    found = await eventually(recorded, 3.0)
    assert [(row["type"], row["offset"]) for row in found] == [
        ("appointment.created", 1),
        ("appointment.cancelled", 2),
    ] * 2
    for row in found:
        assert row["broadcast_at"] is not None
        assert row["broadcast_at"] >= row["created_at"]
        assert 0 <= row["latency_ms"] < 1_000
        assert row["attempts"] == 1
        assert row["error"] is None
        assert row["recipients"] == (2 if row["channel"] == appointments_of(dentist) else 1)


async def test_r10_1_an_event_without_subscribers_is_recorded_too(clinic: Clinic) -> None:
    await clinic.book(clinic.patients[0])
    sql = "SELECT * FROM realtime_events WHERE recipients = 0 AND channel = ?"
    channel = appointments_of(clinic.dentists[0])
    (row,) = await eventually(lambda: rows(clinic.database, sql, channel), 3.0)
    assert (row["type"], row["status"]) == ("appointment.created", "sent")


# --- 10.2 ----------------------------------------------------------------------------


async def test_r10_2_every_request_is_logged_with_path_status_and_duration(
    clinic: Clinic, logs: Logs
) -> None:
    api = clinic.api(clinic.patients[0])
    before = len(logs.lines("api_request"))
    answers = [
        await api.get("/api/profiles/me"),
        await api.post("/api/appointments", {"start": "never"}),
        await clinic.with_token("x").get("/api/appointments"),
        await api.get("/api/no-such-route"),
        await clinic.with_token(None).get("/health"),
    ]
    lines = logs.lines("api_request")[before:]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/api/profiles/me", 200),
        ("POST", "/api/appointments", 400),
        ("GET", "/api/appointments", 401),
        ("GET", "/api/no-such-route", 404),
        ("GET", "/health", 200),
    ]
    for line, answer in zip(lines, answers, strict=True):
        assert 0 <= line["duration_ms"] < 2_000
        assert line["request_id"] == answer.headers["X-Request-ID"]
        datetime.fromisoformat(line["time"])


async def test_r10_2_a_request_keeps_the_id_of_its_client(clinic: Clinic, logs: Logs) -> None:
    answer = await clinic.api(clinic.patients[0]).send(
        "GET", "/api/profiles/me", headers={"X-Request-ID": "follow-me-1"}
    )
    assert answer.headers["X-Request-ID"] == "follow-me-1"
    assert "follow-me-1" in {line["request_id"] for line in logs.lines("api_request")}


async def test_r10_2_logs_never_hold_tokens_names_or_notes(clinic: Clinic, logs: Logs) -> None:
    patient = clinic.patients[0]
    screen = await clinic.screen(patient)
    booked = await clinic.api(patient).post(
        "/api/appointments", {**clinic.slot(), "notes": "allergic to latex"}
    )
    await screen.ok("appointment:update", {"id": booked.body["id"], "notes": "afraid of drills"})
    await clinic.api(clinic.dentists[0]).get("/api/patients", q="Patient 0")
    await clinic.api(patient).put("/api/profiles/me", {"name": "Secret Name"})
    await clinic.with_token(patient.token + "x").get("/api/profiles/me")
    await screen.refused("appointment:book", {"notes": "wrong and private"})
    text = logs.getvalue()
    assert logs.lines("api_request"), "requests were logged"
    for private in (
        "latex",
        "drills",
        "Patient 0",
        "Patient%200",
        "Secret Name",
        "private",
        "example.org",
        "+1 555",
        patient.token,
        patient.token.split(".")[2],
    ):
        assert private not in text


# --- 10.3 ----------------------------------------------------------------------------


async def test_r10_3_health_reports_hub_database_and_realtime_connections(
    clinic: Clinic,
) -> None:
    await clinic.screen(clinic.dentists[0])
    await clinic.screen(clinic.patients[0])
    answer = await clinic.with_token(None).get("/health")
    assert answer.status == 200
    body = answer.body
    assert body["status"] == "ok"
    assert [body[part]["status"] for part in ("hub", "database", "realtime")] == ["ok"] * 3
    assert body["realtime"]["connections"] == 2
    detailed = await clinic.with_token(ADMIN).get("/health")
    by_namespace = detailed.body["realtime"]["namespaces"]
    assert {name: count for name, count in by_namespace.items() if count} == {
        "/dentist": 1,
        "/patient": 1,
    }
    assert (await clinic.with_token(None).get("/health/live")).status == 200
    assert (await clinic.with_token(None).get("/health/ready")).status == 200


async def test_r10_3_an_admin_receives_the_figures_every_second(clinic: Clinic) -> None:
    screen = await clinic.admin_screen("hub:status")
    first = await screen.until(lambda each: _is_status(each.data), 2.5)
    await clinic.book(clinic.patients[0])
    second = await screen.until(lambda each: _is_status(each.data) and each is not first, 2.5)
    assert first.data["offset"] is None, "ephemeral: not stored"
    assert 0.5 < second.at - first.at < 2.0
    assert second.data["data"]["connections"]["/admin"] == 1


def _is_status(data: object) -> bool:
    return isinstance(data, dict) and data.get("channel") == "hub:status"


# --- 10.4 ----------------------------------------------------------------------------


async def test_r10_4_an_error_is_logged_with_stack_trace_and_context(
    clinic: Clinic, logs: Logs
) -> None:
    """The table is renamed, so that the query fails unexpectedly."""
    execute(clinic.database, "ALTER TABLE appointments RENAME TO elsewhere")
    try:
        failed = await clinic.api(clinic.patients[0]).get("/api/appointments")
    finally:
        execute(clinic.database, "ALTER TABLE elsewhere RENAME TO appointments")
    assert failed.status in (500, 503)
    errors = [line for line in logs.lines() if line["level"] == "error"]
    (line,) = [each for each in errors if each.get("request_id") == failed.error["request_id"]]
    assert (line["method"], line["path"], line["status"]) == (
        "GET",
        "/api/appointments",
        failed.status,
    )
    assert "Traceback (most recent call last)" in line["exception"]
    assert re.search("no such table|does not exist", line["exception"])


# --- 10.5 ----------------------------------------------------------------------------


async def test_r10_5_profiles_are_read_from_the_cache(clinic: Clinic) -> None:
    """A change that bypasses the hub is not visible, so the cache was used."""
    dentist, api = clinic.dentists[0], clinic.api(clinic.patients[0])
    path = f"/api/profiles/{dentist.id}"
    before = (await api.get(path)).body
    assert before["name"] == dentist.name
    execute(clinic.database, "UPDATE profiles SET name = 'X'")
    for _ in range(3):
        assert (await api.get(path)).body == before


async def test_r10_5_a_change_invalidates_the_cache(clinic: Clinic) -> None:
    dentist = clinic.dentists[0]
    path = f"/api/profiles/{dentist.id}"
    assert (await clinic.api(clinic.patients[0]).get(path)).body["name"] == dentist.name
    await clinic.api(dentist).put("/api/profiles/me", {"name": "Dr. New"})
    assert (await clinic.api(clinic.patients[0]).get(path)).body["name"] == "Dr. New"
    booked = await clinic.book(clinic.patients[0])
    assert booked["dentist"]["name"] == "Dr. New"


async def test_r10_5_metrics_count_requests_commands_and_connections(clinic: Clinic) -> None:
    await clinic.screen(clinic.dentists[0])
    await clinic.book(clinic.patients[0])

    async def metric(name: str) -> float:
        text = (await clinic.with_token(ADMIN).get("/metrics")).body
        found = re.search(rf"^{re.escape(name)} ([0-9.e+]+)$", text, re.MULTILINE)
        assert found, name
        return float(found[1])

    posted = 'chairside_request_seconds_count{method="POST",route="/api/appointments",status="201"}'
    assert await metric(posted) == 1
    assert await metric("chairside_commit_commands_count") >= 1
    assert await metric('chairside_connections{namespace="/dentist"}') == 1
    refused = await clinic.with_token(None).get("/metrics")
    assert refused.status == 401


async def test_r10_2_each_of_many_concurrent_requests_is_logged(clinic: Clinic, logs: Logs) -> None:
    async def request_id_of(person: Person) -> str:
        return (await clinic.api(person).get("/api/profiles/me")).headers["X-Request-ID"]

    ids = await asyncio.gather(*(request_id_of(person) for person in clinic.patients * 5))
    logged = [line["request_id"] for line in logs.lines("api_request")]
    assert set(ids) <= set(logged)
    assert len(set(ids)) == len(ids)
