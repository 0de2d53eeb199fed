"""A chatbot's service token acts for a patient only with the patient's consent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from actors.services.chatbot_settings import ChatbotSettings
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_mcp import over_http
from tests.acceptance.test_webhook_rights import ends
from tests.acceptance.test_webhooks import LOCAL, ShiftedClock, bot, subscribe
from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.database import rows
from tests.support.logs import Logs
from tests.support.mcp_http import serving_http
from tests.support.receiver import receiving
from tests.support.screens import ConnectionRefused, Screen
from tests.support.sse import listening
from tests.support.tokens import token

RECORDED = ChatbotSettings(consent="recorded")
PARTY = "chatbot:bot-1"


@asynccontextmanager
async def recorded(open_clinic: OpenClinic, **sections: Any) -> AsyncIterator[Clinic]:
    settings = {"chatbot": RECORDED, "webhooks": LOCAL} | sections
    async with open_clinic(**settings) as clinic:
        yield clinic


async def give(clinic: Clinic, patient: Person, party: str = PARTY) -> dict[str, Any]:
    given = await clinic.api(patient).post("/api/consents", {"party": party})
    assert given.status in (200, 201), given.body
    return dict(given.body)


async def socket(clinic: Clinic, patient: Person, subject: str = "bot-1") -> Screen:
    auth = {"token": token("chatbot", subject), "on_behalf_of": patient.id}
    return await clinic.connect("/chatbot", auth)


async def test_without_a_consent_a_service_token_acts_for_no_one(
    open_clinic: OpenClinic, logs: Logs
) -> None:
    async with recorded(open_clinic) as clinic:
        patient = clinic.patients[0]
        api = bot(clinic, patient)
        for method, path, body in (
            ("GET", "/api/profiles/me", None),
            ("GET", "/api/appointments", None),
            ("POST", "/api/reservations", clinic.slot("09:00")),
            ("POST", "/api/webhooks", {"url": "https://bot.example/hook"}),
            ("POST", "/api/chat", {"message": "hello"}),
            ("POST", "/api/consents", {"party": PARTY}),
            ("GET", f"/api/changes?channel={appointments_of(patient)}&since=now", None),
        ):
            refused = await api.send(method, path, body)
            assert (refused.status, refused.code) == (403, "CONSENT_REQUIRED"), path
        with pytest.raises(ConnectionRefused, match="CONSENT_REQUIRED"):
            await socket(clinic, patient)
        assert (await bot(clinic).get("/api/dentists")).status == 200, "its own rights remain"
        act = token("patient", "patient-0", act={"sub": "bot-1"})
        assert (await clinic.with_token(act).get("/api/profiles/me")).status == 200
        line = next(each for each in logs.lines("api_request") if each.get("code"))
        assert (line["code"], line["acting"]) == ("CONSENT_REQUIRED", "bot-1")
        assert patient.id not in str(line)


async def test_a_patient_gives_lists_and_ends_a_consent(open_clinic: OpenClinic) -> None:
    async with recorded(open_clinic) as clinic, receiving() as receiver:
        patient, other = clinic.patients[0], clinic.patients[1]
        given = await give(clinic, patient)
        assert (given["party"], given["given_by"]) == (PARTY, "patient:patient-0")
        await give(clinic, patient, "chatbot:bot-2")
        await give(clinic, other)
        webhook = await subscribe(bot(clinic, patient), receiver)
        kept = await subscribe(bot(clinic, other), receiver)
        screen, others = await socket(clinic, patient), await socket(clinic, patient, "bot-2")
        bearer, channel = token("chatbot", "bot-1"), appointments_of(patient)
        headers = {"On-Behalf-Of": patient.id}
        async with listening(
            clinic.session, clinic.url, bearer, [channel], headers=headers
        ) as stream:
            await stream.event("hub:ready")
            me = clinic.api(patient)
            listed = (await me.get("/api/consents")).body
            assert ([each["party"] for each in listed["data"]], listed["assumed"]) == (
                [PARTY, "chatbot:bot-2"],
                False,
            )
            assert (await me.delete(f"/api/consents/{given['id']}")).status == 204
            await screen.until(lambda each: each.event == "auth:expired", 2.0)
            await stream.event("auth:expired")
        refused = await bot(clinic, patient).get("/api/profiles/me")
        assert (refused.status, refused.code) == (403, "CONSENT_REQUIRED")
        act = clinic.with_token(token("patient", "patient-0", act={"sub": "bot-1"}))
        assert (await act.get("/api/profiles/me")).code == "CONSENT_REQUIRED"
        await clinic.book(patient, "09:00")
        await clinic.book(other, "10:00")
        await receiver.until(1)
        assert receiver.requests[0].event["data"]["patient_id"] == other.id
        await others.event("appointment.created", 2.0)
        assert not others.disconnected.is_set(), "another party keeps its consent"
        assert (await me.delete(f"/api/consents/{given['id']}")).status == 204, "again"
        again = await give(clinic, patient)
        assert (again["id"], again["ended_at"]) == (given["id"], None)
        await ends(bot(clinic, patient), webhook, "consent_ended")
        restarted = await bot(clinic, patient).put(
            f"/api/webhooks/{webhook['id']}", {"status": "active"}
        )
        assert restarted.status == 200
        assert (await bot(clinic, other).get(f"/api/webhooks/{kept['id']}")).body["status"] == (
            "active"
        )


async def test_staff_record_and_end_a_consent_for_a_patient_who_is_there(
    open_clinic: OpenClinic,
) -> None:
    async with recorded(open_clinic) as clinic:
        patient, dentist = clinic.patients[0], clinic.api(clinic.dentists[0])
        body = {"party": PARTY, "patient_id": patient.id}
        assert (await dentist.post("/api/consents", body)).status == 404, "not a patient of theirs"
        await clinic.book(patient, "09:00")
        given = await dentist.post("/api/consents", body)
        assert (given.status, given.body["given_by"]) == (201, "dentist:dentist-0")
        assert (await bot(clinic, patient).get("/api/profiles/me")).status == 200
        path = f"/api/consents/{given.body['id']}"
        stranger = clinic.api(clinic.patients[1])
        assert (await stranger.delete(path)).status == 404
        assert (await stranger.post("/api/consents", body)).status == 403
        assert (await clinic.api(clinic.dentists[1]).delete(path)).status == 404
        assert (await bot(clinic, patient).delete(path)).status == 403
        assert (await bot(clinic).post("/api/consents", body)).status == 403
        assert (await clinic.admin.get("/api/consents")).status == 400
        listed = await clinic.admin.get(f"/api/consents?patient_id={patient.id}")
        assert [each["id"] for each in listed.body["data"]] == [given.body["id"]]
        assert (await clinic.admin.delete(path)).status == 204
        assert (await bot(clinic, patient).get("/api/profiles/me")).code == "CONSENT_REQUIRED"
        for bad in (
            {"party": "bot-1"},
            {"party": "admin:x" * 100},
            {"party": PARTY, "expires_at": "2020-01-01T00:00:00Z"},
            {"party": PARTY, "expires_at": "2099-01-01T00:00:00Z"},
        ):
            assert (await clinic.api(patient).post("/api/consents", bad)).status == 400, bad


async def test_a_consent_expires_with_the_connections_that_need_it(
    open_clinic: OpenClinic,
) -> None:
    clock = ShiftedClock()
    async with recorded(open_clinic, overrides={"clock": clock}) as clinic:
        patient = clinic.patients[0]
        await give(clinic, patient)
        bearer = token("chatbot", "bot-1", ttl_s=400 * 86_400)
        auth = {"token": bearer, "on_behalf_of": patient.id}
        screen = await clinic.connect("/chatbot", auth)
        api = clinic.with_token(bearer, on_behalf_of=patient.id)
        assert (await api.get("/api/profiles/me")).status == 200
        clock.shift = timedelta(days=366)
        assert (await api.get("/api/profiles/me")).code == "CONSENT_REQUIRED"
        await screen.until(lambda each: each.event == "auth:expired", 11.0)


async def test_an_assumed_consent_can_be_ended(open_clinic: OpenClinic) -> None:
    async with open_clinic() as clinic:
        patient = clinic.patients[0]
        assert (await bot(clinic, patient).get("/api/profiles/me")).status == 200
        listed = await clinic.api(patient).get("/api/consents")
        assert listed.body == {"data": [], "assumed": True}
        given = await give(clinic, patient)
        assert (await clinic.api(patient).delete(f"/api/consents/{given['id']}")).status == 204
        assert (await bot(clinic, patient).get("/api/profiles/me")).code == "CONSENT_REQUIRED"


async def test_a_chatbot_has_one_limit_for_all_its_patients(open_clinic: OpenClinic) -> None:
    narrow = ChatbotSettings(consent="assumed", rate_per_s=0.01, rate_burst=10)
    async with open_clinic(chatbot=narrow) as clinic:
        statuses = [
            (await bot(clinic, patient).get("/api/profiles/me")).status
            for patient in clinic.patients[:4] * 3
        ]
        assert statuses == [200] * 10 + [429] * 2
        assert (
            await bot(clinic, clinic.patients[0], "bot-2").get("/api/profiles/me")
        ).status == 200
        assert (await clinic.api(clinic.patients[0]).get("/api/profiles/me")).status == 200
        unknown = clinic.with_token(token("chatbot", "bot-3"), on_behalf_of=str(uuid4()))
        tried = [(await unknown.get("/api/profiles/me")).status for _ in range(12)]
        assert tried == [404] * 10 + [429] * 2, "trying ids is limited, too"


async def test_a_subject_with_a_bar_is_not_counted_as_a_chatbot(open_clinic: OpenClinic) -> None:
    narrow = ChatbotSettings(consent="assumed", rate_per_s=0.01, rate_burst=1)
    async with open_clinic(chatbot=narrow) as clinic:
        admin = clinic.with_token(token("admin", "provider|bot-4"))
        assert [(await admin.get("/api/webhooks")).status for _ in range(3)] == [200] * 3


async def test_every_act_is_audited_by_the_acting_party(open_clinic: OpenClinic) -> None:
    async with open_clinic() as clinic:
        patient = clinic.patients[0]
        booked = await bot(clinic, patient).post("/api/appointments", clinic.slot("09:00"))
        assert booked.status == 201
        audited = rows(
            clinic.database, "SELECT action, on_behalf_of FROM audit_log WHERE acting = 'bot-1'"
        )
        assert {"action": "appointment.booked", "on_behalf_of": patient.id} in audited


async def test_an_mcp_server_says_that_a_consent_is_missing_and_loses_an_ended_one(
    open_clinic: OpenClinic,
) -> None:
    async with recorded(open_clinic) as clinic:
        patient, bearer = clinic.patients[0], token("chatbot", "bot-1")
        async with serving_http(clinic.url) as url:
            headers = {"Authorization": f"Bearer {bearer}", "On-Behalf-Of": patient.id}
            async with clinic.session.post(url, json={}, headers=headers) as refused:
                assert (refused.status, (await refused.json())["error"]) == (
                    403,
                    "CONSENT_REQUIRED",
                )
            given = await give(clinic, patient)
            async with over_http(url, bearer, patient) as ai:
                await ai.ok("my_appointments")
                ended = await clinic.api(patient).delete(f"/api/consents/{given['id']}")
                assert ended.status == 204
                problem = await ai.refused("my_appointments")
                assert problem["code"] == "CONSENT_REQUIRED"
                assert "record a consent" in problem["next_step"]
