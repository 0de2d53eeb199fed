"""Criteria 9.1–9.6: every error has one form, and unrelated work continues."""

from collections.abc import Sequence
from typing import Any

import pytest

from actors.ports.events import Broadcaster, EventRecord
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, appointments_of
from tests.support.database import execute, rows, writes_locked
from tests.support.eventually import eventually
from tests.support.logs import Logs


class FailingBroadcaster:
    """Never delivers one event: the first of a type on a channel with the prefix."""

    def __init__(self, real: Broadcaster, kind: str, prefix: str) -> None:
        self._real, self._kind, self._prefix = real, kind, prefix
        self.failing: tuple[str, int] | None = None

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        for record in records:
            if record.type == self._kind and record.channel.startswith(self._prefix):
                self.failing = self.failing or (record.channel, record.position.offset)
            if (record.channel, record.position.offset) == self.failing:
                raise ConnectionError("injected failure")
        return await self._real.broadcast(records)


# --- 9.1 -----------------------------------------------------------------------------


async def test_r9_1_a_finally_failed_broadcast_is_logged_and_marked(
    open_clinic: OpenClinic, logs: Logs
) -> None:
    async with open_clinic(overrides={"wrap_broadcaster": _failing_appointments}) as clinic:
        dentist = clinic.dentists[0]
        channel = appointments_of(dentist)
        dashboard = await clinic.screen(dentist)
        booked = await clinic.book(clinic.patients[0])

        lost = await dashboard.until(
            lambda each: each.event == "channel:position" and each.data["channel"] == channel, 3.0
        )

        (line,) = logs.lines("broadcast_failed")
        assert line["level"] == "error"
        assert (line["channel"], line["offset"]) == (channel, lost.data["offset"])
        assert line["type"] == "appointment.created"
        assert line["event_id"]
        assert line["attempts"] == 4, "one attempt and three retries"
        assert "injected failure" in str(line)
        row = await eventually(lambda: _failed_row(clinic), 3.0)
        assert row is not None
        assert (row["attempts"], row["status"]) == (4, "failed")
        assert "injected failure" in row["error"]
        # no event is lost: the client sees the gap in positions and catches up
        answer = await dashboard.ok(
            "channel:join",
            {"channel": channel, "since": {"epoch": lost.data["epoch"], "offset": 0}},
        )
        assert [each["data"]["id"] for each in answer["events"]] == [booked["id"]]


async def test_r9_1_a_failed_broadcast_does_not_stop_later_events(open_clinic: OpenClinic) -> None:
    async with open_clinic(overrides={"wrap_broadcaster": _failing_appointments}) as clinic:
        dashboard = await clinic.screen(clinic.dentists[0])
        page = await clinic.screen(clinic.patients[0])
        lost = await clinic.book(clinic.patients[0], "09:00")
        await page.event("appointment.created", 1.0, id=lost["id"])
        later = await clinic.book(clinic.patients[1], "10:00")
        event = await dashboard.event("appointment.created", 3.0, id=later["id"])
        assert event.data["offset"] == 2, "the next event of the same channel is delivered"


def _failing_appointments(real: Broadcaster) -> Broadcaster:
    return FailingBroadcaster(real, "appointment.created", "appointments:dentist:")


def _failed_row(clinic: Clinic) -> dict[str, Any] | None:
    failed = rows(clinic.database, "SELECT * FROM realtime_events WHERE status = 'failed'")
    return failed[0] if failed else None


# --- 9.2: test_r4_7 checks the form over REST -------------------------------------------


async def test_r9_2_socketio_and_rest_report_the_same_error(clinic: Clinic) -> None:
    await clinic.book(clinic.patients[1], "09:00")
    screen = await clinic.screen(clinic.patients[0])
    over_rest = (
        await clinic.api(clinic.patients[0]).post("/api/appointments", clinic.slot("09:00"))
    ).error
    over_socket = await screen.refused("appointment:book", clinic.slot("09:00"))
    assert over_socket.keys() == over_rest.keys()
    assert over_socket["code"] == over_rest["code"] == "SLOT_TAKEN"
    assert over_socket["message"] == over_rest["message"]


# --- 9.3 -----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["REST", "Socket.IO"])
async def test_r9_3_a_failing_query_is_500_without_details_and_the_hub_recovers(
    clinic: Clinic, logs: Logs, protocol: str
) -> None:
    """The table is renamed, so that queries fail, and then restored."""
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    screen = await clinic.screen(patient)
    booked = await clinic.book(patient)
    execute(clinic.database, "ALTER TABLE appointments RENAME TO elsewhere")
    try:
        if protocol == "REST":
            failed = await api.get("/api/appointments")
            error, status = failed.error, failed.status
        else:
            # a release of an unknown id must read the database
            error = await screen.refused("reservation:release", {"id": _other_id(booked["id"])})
            status = 503 if error["code"] == "UNAVAILABLE" else 500
    finally:
        execute(clinic.database, "ALTER TABLE elsewhere RENAME TO appointments")

    assert (status, error["code"]) in ((500, "INTERNAL_ERROR"), (503, "UNAVAILABLE"))
    for word in ("sqlite", "postgres", "relation", "appointments", "table", "Traceback", "SELECT"):
        assert word not in error["message"]
    assert logs.lines("api_error") or logs.lines("socket_error") or status == 503
    recovered = await api.get(f"/api/appointments/{booked['id']}")
    assert (recovered.status, recovered.body["id"]) == (200, booked["id"])
    assert (await clinic.book(patient, "15:00"))["status"] == "confirmed"


async def test_r9_3_a_locked_database_is_an_error_and_the_hub_recovers(
    clinic: Clinic,
) -> None:
    """Another process holds the write lock for longer than the hub waits."""
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    await clinic.book(patient, "08:00")
    body = clinic.slot("09:00")
    with writes_locked(clinic.database):
        failed = await api.post("/api/appointments", body, idempotency_key="once")
    assert (failed.status, failed.code) in ((500, "INTERNAL_ERROR"), (503, "UNAVAILABLE"))
    if failed.status == 503:
        assert int(failed.headers["Retry-After"]) >= 1

    async def repeated() -> str:
        answer = await api.post("/api/appointments", body, idempotency_key="once")
        return str(answer.body["id"]) if answer.status == 201 else ""

    booked = await eventually(repeated, 10.0)
    assert booked, "the hub works again when the lock is released"
    page = await api.get("/api/appointments", from_=body["start"])
    assert [row["id"] for row in page.body["data"]] == [booked], "booked once for one key"


def _other_id(known: str) -> str:
    """An id of the right form that no row has."""
    return known[:-1] + ("0" if known[-1] != "0" else "1")


# --- 9.4, 9.6 ------------------------------------------------------------------------


async def test_r9_4_invalid_input_is_400_with_fields_and_reasons(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[0]).post(
        "/api/reservations",
        {"dentist_id": "x", "start": "2027-03-08T09:00:00", "surprise": 1},
    )
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    fields = {detail["field"]: detail["message"] for detail in answer.error["details"]}
    assert fields.keys() == {"dentist_id", "start", "surprise", "appointment_type_id"}
    assert all(fields.values())
    assert "offset" in fields["start"]


async def test_r9_6_input_is_validated_before_it_is_processed(clinic: Clinic) -> None:
    """One invalid field means that no field is changed."""
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    booked = await clinic.book(patient)
    before = rows(clinic.database, "SELECT COUNT(*) AS n FROM audit_log")
    for method, path, body in (
        ("PUT", f"/api/appointments/{booked['id']}", {"notes": "new", "start": "noon"}),
        ("PUT", "/api/profiles/me", {"name": "New Name", "email": "no address"}),
        ("POST", "/api/appointments", {**clinic.slot("15:00"), "notes": 7}),
    ):
        answer = await api.send(method, path, body)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), answer.body
    assert (await api.get(f"/api/appointments/{booked['id']}")).body == booked
    assert (await api.get("/api/profiles/me")).body["name"] == patient.name
    assert rows(clinic.database, "SELECT COUNT(*) AS n FROM audit_log") == before


# --- 9.5 -----------------------------------------------------------------------------


async def test_r9_5_an_unknown_resource_is_404_not_found(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    nowhere = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
    answers = {
        path: await api.get(path)
        for path in (
            f"/api/appointments/{nowhere}",
            f"/api/reservations/{nowhere}",
            f"/api/availability/{nowhere}",
            f"/api/profiles/{nowhere}",
            "/api/appointments/not-even-an-id",
            "/api/no-such-route",
        )
    }
    for path, answer in answers.items():
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), path
    unknown = await api.post("/api/reservations", {**clinic.slot(), "dentist_id": nowhere})
    assert (unknown.status, unknown.code) == (404, "NOT_FOUND")
