"""Criteria 5.1–5.4: tokens are verified first, and callers reach only their own data."""

import asyncio
import base64
import json
import time
from typing import Any

import pytest

from api.auth import AuthSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic, appointments_of
from tests.support.screens import ConnectionRefused
from tests.support.tokens import SECRET, token

ID = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"


def unsigned(claims: dict[str, Any]) -> str:
    """A token with ``alg: none``, which JWT libraries no longer create."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def bad_tokens() -> dict[str, str | None]:
    genuine = token("patient", "patient-0")
    head, _, signature = genuine.split(".")
    other = base64.urlsafe_b64encode(b'{"sub":"dentist-0","role":"dentist","exp":9999999999}')
    return {
        "missing": None,
        "empty": "",
        "malformed": "not.a.token",
        "expired": token("patient", "patient-0", ttl_s=-1),
        "signed with another key": token("patient", "patient-0", secret="x" * 40),
        "alg none": unsigned({"sub": "patient-0", "role": "patient", "exp": time.time() + 60}),
        "another algorithm": token("patient", "patient-0", algorithm="HS512"),
        "forged payload": f"{head}.{other.rstrip(b'=').decode()}.{signature}",
        "cut": genuine[:-5],
        "without role": token(None, "patient-0"),
        "of the role system": token("system", "patient-0"),
        "of an unknown role": token("janitor", "patient-0"),
        "without subject": token("patient", ""),
        "not valid yet": token("patient", "patient-0", nbf=time.time() + 600),
        "without expiry": token("patient", "patient-0", exp=None),
        "with an expiry after all years": token("patient", "patient-0", exp=1e300),
        "with an expiry that is no number": token("patient", "patient-0", exp=float("nan")),
        "with an issue time of 400 digits": token("patient", "patient-0", iat=10**400),
    }


# --- 5.1, 5.2 ------------------------------------------------------------------------


@pytest.mark.parametrize("which", sorted(bad_tokens()))
async def test_r5_2_a_bad_token_is_401_invalid_token(clinic: Clinic, which: str) -> None:
    answer = await clinic.with_token(bad_tokens()[which]).get("/api/profiles/me")
    assert answer.status == 401
    assert (answer.code, answer.error["message"]) == ("UNAUTHORIZED", "Invalid token")
    assert answer.error["details"] == [], "only the log contains the reason"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("which", sorted(bad_tokens()))
async def test_r5_2_a_bad_token_does_not_connect_a_socket(clinic: Clinic, which: str) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        await clinic.connect("/patient", {"token": bad_tokens()[which]})
    assert refused.value.message == "UNAUTHORIZED"
    error = refused.value.data
    assert (error["code"], error["message"]) == ("UNAUTHORIZED", "Invalid token")
    assert error.keys() == {"code", "message", "timestamp", "request_id", "details"}


async def test_r5_2_a_token_until_the_end_of_the_calendar_works(open_clinic: OpenClinic) -> None:
    auth = AuthSettings(secret=SECRET, leeway_s=300)
    async with open_clinic(auth=auth) as clinic:
        for exp in (253_402_300_799, 253_402_300_799.9):
            bearer = token("patient", "patient-0", exp=exp)
            assert (await clinic.with_token(bearer).get("/api/profiles/me")).status == 200
            screen = await clinic.connect("/patient", {"token": bearer})
            renewed = await screen.call("auth:refresh", {"token": bearer})
            assert renewed["ok"], renewed


async def test_r5_2_a_token_stops_working_when_it_expires(clinic: Clinic) -> None:
    short_lived = clinic.with_token(token("patient", "patient-0", ttl_s=1.2))
    assert (await short_lived.get("/api/profiles/me")).status == 200
    await asyncio.sleep(1.3)  # until the token expires, by the real clock
    late = await short_lived.get("/api/profiles/me")
    assert (late.status, late.error["message"]) == (401, "Invalid token")


async def test_r5_1_every_documented_route_requires_a_token(clinic: Clinic) -> None:
    """The paths come from the API document, so that new routes are tested too."""
    anonymous = clinic.with_token(None)
    document = (await anonymous.get("/api/openapi.json")).body
    paths = [
        (method.upper(), path.replace("{id}", ID).replace("{dentistId}", ID))
        for path, methods in document["paths"].items()
        if path.startswith("/api/") and path != "/api/openapi.json"
        for method in methods
        if method in ("get", "post", "put", "delete")
    ]
    assert len(paths) >= 20
    for method, path in paths:
        answer = await anonymous.send(method, path)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), (method, path)


@pytest.mark.parametrize(
    ("method", "path", "raw"),
    [
        ("POST", "/api/appointments", b"{not json"),
        ("POST", "/api/appointments", b"x" * 1_000_000),
        ("GET", "/api/appointments?status=nonsense", None),
        ("GET", "/api/no-such-route", None),
        ("PATCH", "/api/appointments", None),
        ("GET", "/api/appointments/not-an-id", None),
        ("GET", "/api", None),
    ],
)
async def test_r5_1_the_token_is_verified_before_anything_else(
    clinic: Clinic, method: str, path: str, raw: bytes | None
) -> None:
    answer = await clinic.with_token(None).send(method, path, raw=raw)
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


# --- 5.3, 5.4 ------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["another dentist", "another patient"])
async def test_r5_3_r5_4_data_of_others_is_not_found(clinic: Clinic, whose: str) -> None:
    other_person = clinic.dentists[2] if whose == "another dentist" else clinic.patients[1]
    booked = await clinic.book(clinic.patients[0])
    held = await clinic.hold(clinic.patients[0], "15:00")
    api = clinic.api(other_person)
    path = f"/api/appointments/{booked['id']}"
    for answer in (
        await api.get(path),
        await api.put(path, {"notes": "mine now"}),
        await api.delete(path),
        await api.get(f"/api/reservations/{held['id']}"),
        await api.get(f"/api/profiles/{clinic.patients[0].id}"),
    ):
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), answer.body
    released = await api.delete(f"/api/reservations/{held['id']}")
    assert released.status == (403 if other_person.role == "dentist" else 404), "only patients hold"
    for filters in ({}, {"status": ["held", "confirmed"]}, {"patient_id": clinic.patients[0].id}):
        assert (await api.get("/api/appointments", **filters)).body["data"] == []
    unchanged = await clinic.api(clinic.patients[0]).get(path)
    assert unchanged.body == booked


async def test_r5_4_a_patient_cannot_book_another_patients_reservation(clinic: Clinic) -> None:
    held = await clinic.hold(clinic.patients[0])
    answer = await clinic.api(clinic.patients[1]).post(
        "/api/appointments", {"reservation_id": held["id"]}
    )
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_r5_4_a_patient_cannot_book_for_another_patient(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[0]).post(
        "/api/appointments", {**clinic.slot(), "patient_id": clinic.patients[1].id}
    )
    assert answer.status in (400, 403), answer.body
    assert (await clinic.api(clinic.patients[1]).get("/api/appointments")).body["data"] == []


@pytest.mark.parametrize("role", ["dentist", "patient", "chatbot", "admin"])
async def test_r5_3_r5_4_no_role_may_join_channels_of_others(clinic: Clinic, role: str) -> None:
    match role:
        case "dentist":
            page = await clinic.screen(clinic.dentists[1])
        case "patient":
            page = await clinic.screen(clinic.patients[1])
        case "chatbot":
            page = await clinic.chatbot_screen(clinic.patients[1])
        case _:
            page = await clinic.admin_screen()
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    for channel in (
        appointments_of(patient),
        appointments_of(dentist),
        f"profiles:user:{patient.id}",
        f"profiles:dentist:{dentist.id}",
        "appointments:patient:*",
        "appointments:dentist:",
    ):
        error = await page.refused("channel:join", {"channel": channel})
        assert error["code"] == "FORBIDDEN", channel
    booked = await clinic.book(patient)
    assert booked["id"] not in str(page.received)


async def test_r5_3_r5_4_changes_of_others_cannot_be_read(clinic: Clinic) -> None:
    await clinic.book(clinic.patients[0])
    for person in (clinic.patients[1], clinic.dentists[1]):
        answer = await clinic.api(person).get(
            "/api/changes", channel=appointments_of(clinic.patients[0]), since="now"
        )
        assert (answer.status, answer.code) == (403, "FORBIDDEN")


async def test_r5_4_a_chatbot_has_exactly_the_rights_of_its_patient(
    clinic: Clinic,
) -> None:
    booked = await clinic.book(clinic.patients[0])
    path = f"/api/appointments/{booked['id']}"
    assert (await clinic.chatbot(clinic.patients[0]).get(path)).body == booked
    assert (await clinic.chatbot(clinic.patients[1]).get(path)).status == 404
    alone = await clinic.with_token(CHATBOT).get(path)
    assert (alone.status, alone.code) in ((403, "FORBIDDEN"), (404, "NOT_FOUND"))
    unknown = await clinic.with_token(CHATBOT, on_behalf_of=ID).get("/api/profiles/me")
    assert (unknown.status, unknown.code) == (404, "NOT_FOUND")


async def test_r5_4_a_patients_token_with_act_claim_is_a_chatbots(
    clinic: Clinic,
) -> None:
    delegated = token("patient", "patient-0", act={"sub": "clinic-chatbot"})
    answer = await clinic.with_token(delegated).post("/api/appointments", clinic.slot())
    assert answer.status == 201, answer.body
    assert answer.body["patient_id"] == clinic.patients[0].id
    assert answer.body["created_via"] == "chatbot"
    screen = await clinic.connect("/chatbot", {"token": delegated})
    assert appointments_of(clinic.patients[0]) in screen.ready
    with pytest.raises(ConnectionRefused) as refused:
        await clinic.connect("/patient", {"token": delegated})
    assert refused.value.message == "FORBIDDEN"


@pytest.mark.parametrize("role", ["patient", "dentist", "admin"])
async def test_r5_4_only_a_chatbot_acts_on_behalf_of_others(clinic: Clinic, role: str) -> None:
    subject = {"patient": "patient-1", "dentist": "dentist-0", "admin": "clinic-admin"}[role]
    api = clinic.with_token(token(role, subject), on_behalf_of=clinic.patients[0].id)
    answer = await api.get("/api/appointments")
    assert (answer.status, answer.code) == (403, "FORBIDDEN")


async def test_r5_3_an_unknown_dentist_is_refused_and_not_created(clinic: Clinic) -> None:
    answer = await clinic.with_token(token("dentist", "unknown")).get("/api/appointments")
    assert (answer.status, answer.code) == (403, "FORBIDDEN")


async def test_r5_3_an_admin_sees_no_patient_data_and_no_appointments(clinic: Clinic) -> None:
    booked = await clinic.book(clinic.patients[0])
    for path in (
        "/api/appointments",
        f"/api/appointments/{booked['id']}",
        f"/api/profiles/{clinic.patients[0].id}",
        "/api/patients",
    ):
        answer = await clinic.admin.get(path)
        assert answer.status in (403, 404), (path, answer.body)
        assert clinic.patients[0].name not in str(answer.body)
