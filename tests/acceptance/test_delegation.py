"""Delegation: a chatbot has exactly its patient's rights, and rows record its acts."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.clinic import CHATBOT, Clinic, schedule
from tests.support.database import rows
from tests.support.tokens import token

ACTOR = "clinic-chatbot"


def with_act_claim(clinic: Clinic) -> Api:
    return clinic.with_token(token("patient", "patient-0", act={"sub": ACTOR}))


def with_service_token(clinic: Clinic) -> Api:
    return clinic.chatbot(clinic.patients[0])


Delegated = Callable[[Clinic], Api]
both_delegations = pytest.mark.parametrize("delegated", [with_act_claim, with_service_token])


@both_delegations
async def test_every_row_written_by_a_chatbot_names_the_chatbot(
    clinic: Clinic, delegated: Delegated
) -> None:
    api, patient = delegated(clinic), clinic.patients[0]
    held = (await api.post("/api/reservations", clinic.slot("09:00"))).body
    released = (await api.post("/api/reservations", clinic.slot("13:00"))).body
    assert (await api.delete(f"/api/reservations/{released['id']}")).status == 204
    booked = (await api.post("/api/appointments", {"reservation_id": held["id"]})).body
    direct = (await api.post("/api/appointments", clinic.slot("11:00"))).body
    path = f"/api/appointments/{booked['id']}"
    assert (await api.put(path, {"start": clinic.at("15:00")})).status == 200
    assert (await api.put(path, {"notes": "by the chatbot"})).status == 200
    assert (await api.delete(path)).status == 204
    for row_id in (held["id"], released["id"], direct["id"]):
        (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE id = ?", row_id)
        recorded = (row["created_via"], row["changed_by"], row["on_behalf_of"])
        assert recorded == ("chatbot", ACTOR, patient.id)
    audited = rows(clinic.database, "SELECT * FROM audit_log WHERE patient_id = ?", patient.id)
    changes = [each for each in audited if each["resource_kind"] == "appointment"]
    assert len(changes) == 8
    for each in changes:
        recorded = (each["role"], each["acting"], each["on_behalf_of"])
        assert recorded == ("patient", ACTOR, patient.id), each["action"]


@both_delegations
async def test_a_chatbots_change_to_a_patients_own_row_names_the_chatbot(
    clinic: Clinic, delegated: Delegated
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient)
    moved = await delegated(clinic).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("15:00")}
    )
    assert moved.body["created_via"] == "patient", "a change keeps the creator"
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE id = ?", booked["id"])
    assert (row["changed_by"], row["on_behalf_of"]) == (ACTOR, patient.id)
    back = await clinic.api(patient).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("09:00")}
    )
    assert back.status == 200
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE id = ?", booked["id"])
    assert (row["changed_by"], row["on_behalf_of"]) == ("patient-0", patient.id)


@both_delegations
async def test_a_chatbots_change_to_a_profile_is_audited(
    clinic: Clinic, delegated: Delegated
) -> None:
    patient = clinic.patients[0]
    answer = await delegated(clinic).put("/api/profiles/me", {"phone": "+1 555 0999"})
    assert answer.status == 200, answer.body
    audited = rows(
        clinic.database,
        "SELECT role, acting, on_behalf_of FROM audit_log WHERE action = 'profile.saved'"
        " AND patient_id = ? AND acting IS NOT NULL",
        patient.id,
    )
    assert audited == [{"role": "patient", "acting": ACTOR, "on_behalf_of": patient.id}]


@both_delegations
async def test_a_chatbot_has_its_patients_rights_and_no_others(
    clinic: Clinic, delegated: Delegated
) -> None:
    api, dentist = delegated(clinic), clinic.dentists[0]
    own = await clinic.book(clinic.patients[0], "09:00")
    foreign = await clinic.book(clinic.patients[1], "11:00")
    assert [row["id"] for row in (await api.get("/api/appointments")).body["data"]] == [own["id"]]
    path = f"/api/appointments/{foreign['id']}"
    for answer in (
        await api.get(path),
        await api.get(f"{path}/history"),
        await api.put(path, {"notes": "x"}),
        await api.delete(path),
        await api.get(f"/api/profiles/{clinic.patients[1].id}"),
    ):
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
    refused: tuple[tuple[str, str, Any], ...] = (
        ("PUT", f"/api/availability/{dentist.id}", schedule()),
        ("POST", "/api/appointment-types", {"name": "x", "duration_minutes": 5}),
        ("POST", "/api/profiles", {"role": "patient", "name": "New"}),
        ("GET", "/api/patients", None),
    )
    for method, where, body in refused:
        answer = await api.send(method, where, body)
        assert (answer.status, answer.code) == (403, "FORBIDDEN"), where
    for_another = await api.post(
        "/api/appointments", clinic.slot("14:00") | {"patient_id": clinic.patients[1].id}
    )
    assert for_another.status in (400, 403), for_another.body


async def test_patient_and_chatbot_may_use_the_same_idempotency_key(clinic: Clinic) -> None:
    """A key belongs to a person and an acting party: neither gets the other's reply."""
    patient = clinic.patients[0]
    for api, clock in ((clinic.api(patient), "09:00"), (with_service_token(clinic), "11:00")):
        answer = await api.post("/api/appointments", clinic.slot(clock), idempotency_key="mine")
        assert answer.status == 201, answer.body
    assert len((await clinic.api(patient).get("/api/appointments")).body["data"]) == 2


async def test_an_incomplete_delegation_is_refused(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    acts: tuple[Any, ...] = ("x", {}, {"sub": ""}, {"sub": 5}, None, [], {"sub": "x" * 5_000})
    for act in acts[:4] + acts[5:]:
        api = clinic.with_token(token("patient", "patient-0", act=act))
        assert (await api.get("/api/profiles/me")).status == 401, act
    for role, subject in (("dentist", "dentist-0"), ("admin", "clinic-admin")):
        api = clinic.with_token(token(role, subject, act={"sub": ACTOR}))
        assert (await api.get("/api/appointments")).status == 401
    for whom in ("", "x", "../me", clinic.dentists[0].id):
        answer = await clinic.with_token(CHATBOT, on_behalf_of=whom).get("/api/profiles/me")
        assert (answer.status, answer.code) == (404, "NOT_FOUND"), whom
    act_claim_and_header = clinic.with_token(
        token("patient", "patient-0", act={"sub": ACTOR}), on_behalf_of=patient.id
    )
    assert (await act_claim_and_header.get("/api/profiles/me")).status == 403
