"""Bad input over REST and Socket.IO gets its documented error and changes nothing."""

from typing import Any

import pytest

from tests.support.clinic import Clinic
from tests.support.database import rows
from tests.support.logs import Logs

NOWHERE = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"

pytestmark = pytest.mark.usefixtures("nothing_changes")


# --- bodies and data: the same mistakes over both protocols --------------------------


def mistakes(good: dict[str, str]) -> dict[str, tuple[dict[str, Any], str]]:
    """Wrong bodies of ``POST /api/appointments``, each with the field that the error names."""
    return {
        "nothing": ({}, "start"),
        "a field is missing": ({"dentist_id": good["dentist_id"], "start": good["start"]}, "appo"),
        "unknown field": (good | {"surprise": 1}, "surprise"),
        "not an id": (good | {"dentist_id": "42"}, "dentist_id"),
        "an id of the wrong type": (good | {"dentist_id": 42}, "dentist_id"),
        "an id that is a list": (good | {"dentist_id": [good["dentist_id"]]}, "dentist_id"),
        "null": (good | {"start": None}, "start"),
        "a time without offset": (good | {"start": good["start"][:-1]}, "start"),
        "a date only": (good | {"start": good["start"][:10]}, "start"),
        "a number as time": (good | {"start": 1_804_500_000}, "start"),
        "seconds": (good | {"start": good["start"][:-3] + "30Z"}, "start"),
        "no such day": (good | {"start": "2027-02-29T09:00:00Z"}, "start"),
        "a year that is too late": (good | {"start": "9999-12-31T23:59:00Z"}, "start"),
        "notes of the wrong type": (good | {"notes": {"text": "hello"}}, "notes"),
        "notes that are too long": (good | {"notes": "x" * 5_000}, "notes"),
        "control characters": (good | {"notes": "a\x00b"}, "notes"),
        "text for a flag": (good | {"overbook": "yes"}, "overbook"),
        "a slot and a reservation": (good | {"reservation_id": NOWHERE}, "dentist_id"),
    }


SLOT_NAMES = ("dentist_id", "appointment_type_id", "start")


@pytest.mark.parametrize("mistake", mistakes(dict.fromkeys(SLOT_NAMES, "")))
async def test_a_wrong_body_is_a_validation_error_over_both_protocols(
    clinic: Clinic, logs: Logs, mistake: str
) -> None:
    body, field = mistakes(clinic.slot("10:00"))[mistake]
    answer = await clinic.api(clinic.patients[1]).post("/api/appointments", body)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert any(detail["field"].startswith(field) for detail in answer.error["details"])
    logged = [line for line in logs.lines("api_request") if line.get("code") == answer.code]
    assert len(logged) == 1, "logged once"

    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("appointment:book", body)
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"] == answer.error["details"], "the same over both protocols"
    assert [line["code"] for line in logs.lines("socket_command")] == ["VALIDATION_ERROR"]
    assert not [line for line in logs.lines() if line["level"] in ("error", "warning")]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"17",
        b"\xff\xfe{}",
        b'{"start": NaN}',
        b"[" * 20_000,
        b'{"start":"2027-03-08T09:00:00Z"}}',
    ],
)
async def test_a_body_that_is_no_json_object_is_a_validation_error(
    clinic: Clinic, raw: bytes
) -> None:
    api = clinic.api(clinic.patients[1])
    for method, path in (
        ("POST", "/api/appointments"),
        ("POST", "/api/reservations"),
        ("PUT", "/api/profiles/me"),
        ("PUT", f"/api/appointments/{NOWHERE}"),
    ):
        answer = await api.send(method, path, raw=raw)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), (method, path)
        assert answer.error["details"]


# --- size and form -------------------------------------------------------------------


async def test_a_huge_body_is_413_and_is_not_read(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[1]).send(
        "POST", "/api/appointments", raw=b'{"notes":"' + b"x" * 1_000_000 + b'"}'
    )
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("form", ["text/plain", "application/xml", "multipart/form-data", ""])
async def test_a_body_of_another_media_type_is_415(clinic: Clinic, form: str) -> None:
    answer = await clinic.api(clinic.patients[1]).send(
        "POST", "/api/appointments", raw=b'{"start":1}', headers={"Content-Type": form}
    )
    assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_another_method_is_405_with_the_allowed_ones(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[1]).send("PATCH", "/api/appointments")
    assert (answer.status, answer.code) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


# --- queries, paths and headers ------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/appointments?limit=0", "limit"),
        ("/api/appointments?limit=10000", "limit"),
        ("/api/appointments?limit=ten", "limit"),
        ("/api/appointments?limit=1&limit=2", "limit"),
        ("/api/appointments?status=booked", "status"),
        ("/api/appointments?sort=patient", "sort"),
        ("/api/appointments?cursor=%00nonsense", "cursor"),
        ("/api/appointments?cursor=bm9uc2Vuc2U", "cursor"),
        ("/api/appointments?from=2027-03-08", "from"),
        ("/api/appointments?from=2027-03-08T09:00:00", "from"),
        ("/api/appointments?surprise=1", "surprise"),
        ("/api/appointments?dentist_id=me", "dentist_id"),
        ("/api/slots", "appointment_type_id"),
        ("/api/changes?channel=availability:all&since=yesterday", "since"),
        ("/api/changes?channel=availability:all", "since"),
        ("/api/profiles/me?verbose=1", "verbose"),
    ],
)
async def test_a_wrong_query_is_a_validation_error_that_names_the_parameter(
    clinic: Clinic, path: str, field: str
) -> None:
    answer = await clinic.api(clinic.patients[1]).send("GET", path)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), answer.body
    assert any(detail["field"].startswith(field) for detail in answer.error["details"])


async def test_slots_of_more_than_62_days_are_refused(clinic: Clinic) -> None:
    query = clinic.day_of(clinic.dentists[0]) | {"to": clinic.at("00:00", days=90)}
    answer = await clinic.api(clinic.patients[1]).get("/api/slots", **query)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("slots:list", query | {"dentist_id": [query["dentist_id"]]})
    assert error["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-Match", "3"),
        ("If-Match", '"three"'),
        ("If-Match", '"0"'),
        ("Idempotency-Key", " "),
        ("Idempotency-Key", "x" * 1_000),
    ],
)
async def test_a_wrong_header_is_a_validation_error(clinic: Clinic, name: str, value: str) -> None:
    (row,) = rows(clinic.database, "SELECT id FROM appointments")
    answer = await clinic.api(clinic.patients[0]).send(
        "PUT", f"/api/appointments/{row['id']}", {"notes": "x"}, headers={name: value}
    )
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), answer.body


@pytest.mark.parametrize("bad", ["x", "1", "..%2f..", "%00", "a" * 500, NOWHERE + "0", "null"])
async def test_a_malformed_id_is_404_in_a_path_and_invalid_in_data(
    clinic: Clinic, bad: str
) -> None:
    api = clinic.api(clinic.patients[1])
    for method, path in (
        ("GET", "/api/appointments/"),
        ("DELETE", "/api/appointments/"),
        ("GET", "/api/reservations/"),
        ("GET", "/api/availability/"),
        ("GET", "/api/profiles/"),
    ):
        answer = await api.send(method, path + bad)
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), (method, path)
    screen = await clinic.screen(clinic.patients[1])
    error = await screen.refused("appointment:cancel", {"id": bad})
    assert error["code"] == "VALIDATION_ERROR"


# --- foreign and unknown ids ---------------------------------------------------------


async def test_foreign_and_unknown_ids_are_not_found_over_both_protocols(
    clinic: Clinic, logs: Logs
) -> None:
    (foreign,) = rows(clinic.database, "SELECT id FROM appointments")
    api, screen = clinic.api(clinic.patients[1]), await clinic.screen(clinic.patients[1])
    for row in (foreign["id"], NOWHERE):
        for event, data in (
            ("appointment:update", {"id": row, "notes": "x"}),
            ("appointment:cancel", {"id": row}),
            ("reservation:release", {"id": row}),
            ("appointment:book", {"reservation_id": row}),
        ):
            assert (await screen.refused(event, data))["code"] == "NOT_FOUND", event
        assert (await api.delete(f"/api/appointments/{row}")).status == 404
        booked = await api.post("/api/appointments", {"reservation_id": row})
        assert (booked.status, booked.code) == (404, "NOT_FOUND")
    for name in ("dentist_id", "appointment_type_id"):
        body = clinic.slot("10:00") | {name: NOWHERE}
        assert (await api.post("/api/reservations", body)).code == "NOT_FOUND", name
        assert (await screen.refused("reservation:create", body))["code"] == "NOT_FOUND", name
    assert not [line for line in logs.lines() if line["level"] == "error"], "no error of the hub"
