"""Two records of one person become one: for everyone who sees, books or follows them."""

import asyncio
from typing import Any

import pytest

from actors.services.practice_settings import PracticeSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic, Person, appointments_of
from tests.support.database import rows
from tests.support.screens import ConnectionRefused
from tests.support.tokens import token


async def entered(clinic: Clinic, name: str = "Pat Twin", **fields: Any) -> Person:
    """A patient of the first practice, without a sign-in of their own."""
    body = {"role": "patient", "name": name, **fields}
    made = await clinic.api(clinic.staff[0]).post("/api/profiles", body)
    assert made.status == 201, made.body
    return Person(id=made.body["id"], role="patient", name=name, token="")


async def book(clinic: Clinic, patient: Person, clock: str, **which: Any) -> dict[str, Any]:
    body = {**clinic.slot(clock, **which), "patient_id": patient.id}
    made = await clinic.api(clinic.staff[0]).post("/api/appointments", body)
    assert made.status == 201, made.body
    visit: dict[str, Any] = made.body
    return visit


def merging(one: Person, into: Person) -> tuple[str, dict[str, str]]:
    return f"/api/patients/{one.id}/merge", {"into": into.id}


async def test_visits_holds_and_history_are_the_survivors(clinic: Clinic) -> None:
    desk, pat = clinic.api(clinic.staff[0]), clinic.patients[0]
    twin = await entered(clinic, phone="+1 555 0901")
    visit = await clinic.book(pat, "09:00")
    hold = await clinic.hold(pat, "10:00", dentist=clinic.dentists[1])
    own = await book(clinic, twin, "11:00")
    answer = await desk.post(*merging(pat, twin))
    assert answer.status == 200, answer.body
    assert (answer.body["id"], answer.body["merged_into"]) == (twin.id, twin.id)
    assert answer.body["email"] == "patient-0@example.org", "filled from the merged patient"
    assert answer.body["phone"] == "+1 555 0901", "kept"
    listed = (await desk.get("/api/appointments", patient_id=twin.id)).body["data"]
    assert {each["id"] for each in listed} == {visit["id"], own["id"]}
    assert {each["patient"]["name"] for each in listed} == {twin.name}
    assert (await desk.get("/api/appointments", patient_id=pat.id)).body["data"] == []
    me = clinic.api(pat)  # whose sign-in is the survivor's
    assert (await me.get("/api/profiles/me")).body["id"] == twin.id
    history = (await me.get(f"/api/appointments/{visit['id']}/history")).body["data"]
    assert [each["action"] for each in history] == [
        "appointment.booked",
        "appointment.moved_to_survivor",
    ]
    booked = await me.post("/api/appointments", {"reservation_id": hold["id"]})
    assert (booked.status, booked.body["patient_id"]) == (201, twin.id)


async def test_the_merged_id_stands_for_the_survivor(clinic: Clinic) -> None:
    desk, pat = clinic.api(clinic.staff[0]), await entered(clinic)
    twin, third = await entered(clinic), await entered(clinic, "Pat Third")
    for one, into in ((pat, twin), (twin, third)):
        assert (await desk.post(*merging(one, into))).status == 200
    for each in (pat, twin):
        shown = (await desk.get(f"/api/profiles/{each.id}")).body
        assert (shown["id"], shown["merged_into"]) == (third.id, third.id)
    assert "merged_into" not in (await desk.get(f"/api/profiles/{third.id}")).body
    visit = await book(clinic, pat, "09:00")
    assert visit["patient_id"] == third.id
    assert (await clinic.api(clinic.staff[1]).get(f"/api/profiles/{pat.id}")).status == 404
    found = (await desk.get("/api/patients", q="Pat")).body["data"]
    assert {each["id"] for each in found} & {pat.id, twin.id, third.id} == {third.id}
    for change in ({"name": "Again"}, {"active": True}):
        for by in (desk, clinic.admin):
            assert (await by.put(f"/api/profiles/{pat.id}", change)).status == 404


async def test_every_screen_is_told(clinic: Clinic) -> None:
    pat, twin = clinic.patients[0], await entered(clinic)
    dentist, desk = clinic.dentists[0], clinic.staff[0]
    visit = await clinic.book(pat, "09:00")
    screens = [await clinic.screen(each) for each in (desk, dentist)]
    mine = await clinic.screen(pat)
    body = {"patient_id": pat.id, "merged_into": twin.id}
    await clinic.api(desk).post(*merging(pat, twin))
    for screen in screens:
        merged = await screen.event("patient.merged", 1.0, **body)
        assert merged.resource["version"] == 2
        updated = await screen.event("appointment.updated", 1.0, id=visit["id"])
        assert updated.resource["patient"] == {"id": twin.id, "name": twin.name}
    assert await mine.event("patient.merged", 1.0, **body)
    await mine.until(lambda each: each.event == "auth:expired", 1.0)
    again = await clinic.screen(pat)
    assert appointments_of(twin) in again.ready
    assert appointments_of(pat) not in again.ready


async def test_chatbots_of_the_merged_person_lose_their_rights(clinic: Clinic) -> None:
    pat, twin = clinic.patients[0], await entered(clinic)
    desk = clinic.api(clinic.staff[0])
    consent = {"party": "chatbot:clinic-chatbot"}
    given = (await clinic.api(pat).post("/api/consents", consent)).body
    screen = await clinic.chatbot_screen(pat)
    assert (await desk.post(*merging(pat, twin))).status == 200
    await screen.until(lambda each: each.event == "auth:expired", 1.0)
    for person in (pat, twin):
        bot = clinic.with_token(CHATBOT, on_behalf_of=person.id)
        assert (await bot.get("/api/appointments")).code == "CONSENT_REQUIRED"
    with pytest.raises(ConnectionRefused, match="CONSENT_REQUIRED"):
        await clinic.chatbot_screen(pat)
    listed = (await desk.get("/api/consents", patient_id=twin.id)).body["data"]
    assert [(each["id"], bool(each["ended_at"])) for each in listed] == [(given["id"], True)]
    assert (await desk.get("/api/consents", patient_id=pat.id)).body["data"] == listed
    again = await desk.post("/api/consents", {**consent, "patient_id": pat.id})
    assert (again.status, again.body["patient_id"]) == (200, twin.id)


async def test_repeating_a_merge_changes_nothing(clinic: Clinic) -> None:
    desk, pat, twin = clinic.api(clinic.staff[0]), await entered(clinic), await entered(clinic)
    path, body = merging(pat, twin)
    first = await desk.post(path, body, idempotency_key="merge-1")
    again = await desk.post(path, body, idempotency_key="merge-1")
    assert (first.status, again.body) == (200, first.body)
    without_key = await desk.post(path, body)
    assert (without_key.status, without_key.body) == (200, first.body)
    audited = rows(clinic.database, "SELECT id FROM audit_log WHERE action = 'patient.merged'")
    assert len(audited) == 1
    third = await entered(clinic)
    elsewhere = await desk.post(*merging(pat, third))
    assert (elsewhere.status, elsewhere.code) == (409, "MERGE_CONFLICT")


async def test_overlapping_visits_are_listed(clinic: Clinic) -> None:
    desk, pat, twin = clinic.api(clinic.staff[0]), await entered(clinic), await entered(clinic)
    one = await book(clinic, pat, "09:00")
    body = {**clinic.slot("09:00"), "start": one["start"], "patient_id": twin.id, "overbook": True}
    other = (await desk.post("/api/appointments", body)).body
    fine = await book(clinic, twin, "12:00")
    answer = await desk.post(*merging(pat, twin))
    assert (answer.status, answer.code) == (409, "MERGE_CONFLICT")
    shown = {each["id"]: each for each in answer.error["appointments"]}
    assert set(shown) == {one["id"], other["id"]}
    assert fine["id"] not in shown
    assert shown[one["id"]] == {
        "id": one["id"],
        "patient_id": pat.id,
        "dentist_id": clinic.dentists[0].id,
        "start": one["start"],
        "end": one["end"],
    }
    assert (await desk.delete(f"/api/appointments/{other['id']}")).status == 204
    assert (await desk.post(*merging(pat, twin))).status == 200


@pytest.mark.usefixtures("nothing_changes")
async def test_who_cannot_be_merged(clinic: Clinic) -> None:
    desk, stranger = (clinic.api(each) for each in clinic.staff)
    pat, other, dentist = clinic.patients[0], clinic.patients[1], clinic.dentists[0]
    nobody = Person(id="01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f", role="patient", name="", token="")
    for by, one, into, status, code in (
        (desk, pat, other, 409, "MERGE_CONFLICT"),  # both sign in
        (desk, pat, pat, 400, "VALIDATION_ERROR"),
        (desk, pat, dentist, 404, "NOT_FOUND"),
        (desk, dentist, pat, 404, "NOT_FOUND"),
        (desk, pat, nobody, 404, "NOT_FOUND"),
        (desk, nobody, pat, 404, "NOT_FOUND"),
        (stranger, pat, other, 404, "NOT_FOUND"),
        (clinic.api(dentist), pat, other, 403, "FORBIDDEN"),
        (clinic.api(pat), other, pat, 403, "FORBIDDEN"),
        (clinic.with_token(CHATBOT), pat, other, 403, "FORBIDDEN"),
        (clinic.admin, pat, other, 409, "MERGE_CONFLICT"),
    ):
        answer = await by.post(*merging(one, into))
        assert (answer.status, answer.code) == (status, code), (one.name, into.name)
        if code == "MERGE_CONFLICT":
            assert answer.error["appointments"] == []
    for body in ({}, {"into": "x"}, {"into": None}, {"into": other.id, "more": 1}):
        answer = await desk.post(f"/api/patients/{pat.id}/merge", body)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")


async def test_nobody_is_merged_into_someone_inactive(clinic: Clinic) -> None:
    desk, pat, twin = clinic.api(clinic.staff[0]), await entered(clinic), await entered(clinic)
    await desk.put(f"/api/profiles/{twin.id}", {"active": False})
    refused = await desk.post(*merging(pat, twin))
    assert (refused.code, refused.error["details"][0]["field"]) == ("VALIDATION_ERROR", "into")
    assert (await desk.post(*merging(twin, pat))).status == 200, "an inactive record ends"
    signed_in = clinic.patients[0]
    await desk.put(f"/api/profiles/{signed_in.id}", {"active": False})
    banned = await desk.post(*merging(signed_in, pat))
    assert banned.code == "MERGE_CONFLICT", "a sign-in that was ended does not come back"


async def test_patients_of_several_practices_are_merged_by_an_admin(clinic: Clinic) -> None:
    desk, twin = clinic.api(clinic.staff[0]), await entered(clinic)
    pat = await entered(clinic, email="elsewhere@example.org")
    there, link = clinic.api(clinic.staff[1]), f"/api/practices/{clinic.practices[1]}/patients"
    await clinic.looked_up(there, pat.id)
    assert (await there.post(link, {"patient_id": pat.id})).status == 200
    for one, into in ((pat, twin), (twin, pat)):
        assert (await desk.post(*merging(one, into))).code == "FORBIDDEN"
    assert (await clinic.admin.post(*merging(pat, twin))).status == 200
    assert (await there.get(f"/api/profiles/{pat.id}")).body["id"] == twin.id


async def test_a_hold_elsewhere_is_no_matter_of_the_desk(clinic: Clinic) -> None:
    pat, twin = clinic.patients[0], await entered(clinic)
    await clinic.hold(pat, "09:00", dentist=clinic.dentists[2])
    for one, into in ((pat, twin), (twin, pat)):
        assert (await clinic.api(clinic.staff[0]).post(*merging(one, into))).code == "FORBIDDEN"


async def test_a_booking_at_the_same_time_is_the_survivors(clinic: Clinic) -> None:
    desk = clinic.api(clinic.staff[0])
    for hour in range(10, 16):
        pat, twin = await entered(clinic), await entered(clinic)
        await book(clinic, pat, f"{hour}:00")
        half = {**clinic.slot(f"{hour}:30"), "patient_id": pat.id}
        other = {**clinic.slot(f"{hour}:30", dentist=clinic.dentists[1]), "patient_id": pat.id}
        *booked, merged = await asyncio.gather(
            desk.post("/api/appointments", half),
            desk.post("/api/appointments", other),
            desk.post(*merging(pat, twin)),
        )
        assert merged.status == 200, merged.body
        assert [each.status for each in booked] == [201, 201], [each.body for each in booked]
        listed = (await desk.get("/api/appointments", patient_id=twin.id)).body["data"]
        assert {each.body["id"] for each in booked} < {each["id"] for each in listed}
        left = rows(clinic.database, "SELECT * FROM appointments")
        assert not [each for each in left if each["patient_id"] == pat.id]


async def test_free_times_of_the_survivor_are_right_at_once(clinic: Clinic) -> None:
    """The own hold counts as free for its patient, who is the survivor now."""
    pat, twin = clinic.patients[0], await entered(clinic)
    hold = await clinic.hold(pat, "09:00")
    assert hold["start"] in await clinic.free(pat)
    await clinic.api(clinic.staff[0]).post(*merging(pat, twin))
    assert hold["start"] in await clinic.free(pat)
    assert hold["start"] not in await clinic.free(clinic.patients[1])


async def test_a_token_with_an_actor_acts_for_the_survivor(clinic: Clinic) -> None:
    pat, twin = clinic.patients[0], await entered(clinic)
    delegated = clinic.with_token(token("patient", "patient-0", act={"sub": "bot-9"}))
    visit = await clinic.book(pat, "09:00")
    await clinic.api(clinic.staff[0]).post(*merging(pat, twin))
    mine = (await delegated.get("/api/appointments")).body["data"]
    assert [(each["id"], each["patient_id"]) for each in mine] == [(visit["id"], twin.id)]


# --- duplicates ------------------------------------------------------------------------


async def test_a_new_patient_whom_the_practice_knows_is_refused_once(clinic: Clinic) -> None:
    desk = clinic.api(clinic.staff[0])
    known = await entered(clinic, "Ada Known", phone="+1 555 0950", date_of_birth="1980-03-08")
    shown = [{"id": known.id, "name": "Ada Known", "date_of_birth": "1980-03-08"}]
    for fields in (
        {"name": "Someone", "phone": "+1 (555) 0950"},
        {"name": "known ADA", "date_of_birth": "1980-03-08", "time_zone": "UTC"},
    ):
        body = {"role": "patient", **fields}
        refused = await desk.post("/api/profiles", body, idempotency_key=f"key-{len(fields)}")
        assert (refused.status, refused.code) == (409, "DUPLICATE_PATIENT")
        assert refused.error["candidates"] == shown
        goes_on = {**body, "allow_duplicate": True}
        made = await desk.post("/api/profiles", goes_on, idempotency_key=f"key-{len(fields)}")
        assert made.status == 201, made.body
        again = await desk.post("/api/profiles", goes_on, idempotency_key=f"key-{len(fields)}")
        assert again.body == made.body
        merged = await desk.post(f"/api/patients/{made.body['id']}/merge", {"into": known.id})
        assert merged.status == 200
    elsewhere = {"role": "patient", "name": "Ada Known", "phone": "+1 555 0950"}
    there = await clinic.api(clinic.staff[1]).post("/api/profiles", elsewhere)
    assert there.status == 201, "patients of another practice are not compared"


async def test_nobody_learns_of_a_patient_whom_they_may_not_see(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(practice=PracticeSettings(dentists_see="own")) as clinic:
        await _nobody_learns(clinic)


async def _nobody_learns(clinic: Clinic) -> None:
    body = {"role": "patient", "name": "Someone", "phone": "+1 555 0951"}
    known = await entered(clinic, "Ada Known", phone="+1 555 0951")
    dentist = clinic.dentists[0]
    for caller, more in (
        (clinic.api(dentist), {}),
        (clinic.admin, {"practice_id": clinic.practices[0]}),
    ):
        refused = await caller.post("/api/profiles", {**body, **more})
        assert (refused.code, refused.error["candidates"]) == ("DUPLICATE_PATIENT", [])
    await book(clinic, known, "09:00")
    refused = await clinic.api(dentist).post("/api/profiles", body)
    assert [each["id"] for each in refused.error["candidates"]] == [known.id], "an own patient"


async def test_suspects_are_listed_with_reasons(clinic: Clinic) -> None:
    desk = clinic.api(clinic.staff[0])
    born = {"date_of_birth": "1980-03-08"}
    pat = await entered(clinic, "Ada Suspect", phone="+1 555 0952", **born)
    body = {"role": "patient", "allow_duplicate": True}
    double = {"name": "suspect ada", "phone": "+1 555 0952", **born, **body}
    same = (await desk.post("/api/profiles", double)).body
    other = await entered(clinic, "Ada Suspect")
    await entered(clinic, "Ada Suspect", date_of_birth="1981-03-08")
    found = (await desk.get(f"/api/patients/{pat.id}/duplicates")).body["data"]
    assert [(each["id"], each["reasons"]) for each in found] == [
        (same["id"], ["phone", "name_and_date_of_birth"]),
        (other.id, ["name"]),
    ]
    assert found[0]["phone"] == "+1 555 0952"
    audited = rows(clinic.database, "SELECT found FROM audit_log WHERE action = 'people.searched'")
    assert [each["found"] for each in audited] == [2]
    there = clinic.api(clinic.staff[1])
    assert (await there.get(f"/api/patients/{pat.id}/duplicates")).status == 404
    assert (await clinic.admin.get(f"/api/patients/{pat.id}/duplicates")).status == 403
