"""Finding a person who is not yet of the practice: by two identifiers, counted and audited."""

from typing import Any

import pytest

from actors.services.practice_settings import PracticeSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import CHATBOT, Clinic
from tests.support.database import OnPostgres, execute, rows

BORN = {"date_of_birth": "1980-03-08"}
NO_ONE = {"found": False, "id": None, "name": None}
LOOKUP = "/api/patients/lookup"


async def known(clinic: Clinic) -> dict[str, str]:
    """A patient of the first practice with a date of birth: two contacts."""
    saved = await clinic.api(clinic.patients[0]).put("/api/profiles/me", BORN)
    return {"phone": saved.body["phone"], "email": saved.body["email"]}


async def test_two_identifiers_find_one_person_and_no_more_than_the_name(clinic: Clinic) -> None:
    contact, patient = await known(clinic), clinic.patients[0]
    desk, doctor, bot = (
        clinic.api(clinic.staff[1]),
        clinic.api(clinic.dentists[2]),
        clinic.with_token(CHATBOT),
    )
    for caller in (desk, doctor, bot):
        for kind, value in contact.items():
            found = await caller.post(LOOKUP, {kind: value, **BORN})
            assert found.body == {"found": True, "id": patient.id, "name": patient.name}
            other = await caller.post(LOOKUP, {kind: value, "date_of_birth": "1980-03-09"})
            assert (other.status, other.body) == (200, NO_ONE)
        unborn = clinic.patients[1].name.replace("Patient ", "patient-") + "@example.org"
        assert (await caller.post(LOOKUP, {"email": unborn, **BORN})).body == NO_ONE
    for caller in (clinic.admin, clinic.api(patient), clinic.chatbot(patient)):
        assert (await caller.post(LOOKUP, {"phone": contact["phone"], **BORN})).code == "FORBIDDEN"
    assert (await clinic.admin.put(f"/api/profiles/{patient.id}", {"active": False})).status == 200
    assert (await desk.post(LOOKUP, {"phone": contact["phone"], **BORN})).body == NO_ONE


async def test_a_contact_that_two_people_share_with_the_birthday_finds_no_one(
    clinic: Clinic,
) -> None:
    desk = clinic.api(clinic.staff[0])
    execute(
        clinic.database,
        "UPDATE profiles SET phone_key = '+15550444', date_of_birth = '1980-03-08'"
        " WHERE name IN ('Patient 5', 'Patient 6')",
    )
    assert (await desk.post(LOOKUP, {"phone": "+1 555 0444", **BORN})).body == NO_ONE


async def test_a_search_finds_those_whom_one_may_see_and_a_chatbot_none(clinic: Clinic) -> None:
    contact = await known(clinic)
    for text in contact.values():
        for caller in (clinic.api(clinic.staff[1]), clinic.api(clinic.dentists[2])):
            assert (await caller.get("/api/patients", q=text)).body["data"] == []
        assert (await clinic.with_token(CHATBOT).get("/api/patients", q=text)).code == "FORBIDDEN"
        listed = (await clinic.api(clinic.staff[0]).get("/api/patients", q=text)).body["data"]
        assert [each["id"] for each in listed] == [clinic.patients[0].id]


async def test_lookups_are_counted_for_each_person_and_audited(open_clinic: OpenClinic) -> None:
    async with open_clinic(practice=PracticeSettings(lookups_per_hour=3)) as clinic:
        contact = await known(clinic)
        desk, other = (clinic.api(each) for each in clinic.staff)
        wrong = {"phone": contact["phone"], "date_of_birth": "1990-01-01"}
        for body in ({"phone": contact["phone"], **BORN}, wrong, wrong):
            assert (await desk.post(LOOKUP, body)).status == 200
        refused = await desk.post(LOOKUP, {"phone": contact["phone"], **BORN})
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert int(refused.headers["Retry-After"]) > 60
        assert (await other.post(LOOKUP, wrong)).status == 200, "each person on their own"
        log = rows(
            clinic.database,
            "SELECT subject, resource_id, found FROM audit_log"
            " WHERE action = 'patient.looked_up' ORDER BY id",
        )
        person = clinic.patients[0].id
        seen = [("staff-0", person, 1), *[("staff-0", None, 0)] * 2, ("staff-1", None, 0)]
        assert [(row["subject"], row["resource_id"], row["found"]) for row in log] == seen
        assert contact["phone"] not in str(rows(clinic.database, "SELECT * FROM audit_log"))


async def test_only_who_has_just_found_a_person_links_them(clinic: Clinic) -> None:
    contact, patient = await known(clinic), clinic.patients[0]
    desk, doctor = clinic.api(clinic.staff[1]), clinic.api(clinic.dentists[2])
    path, body = f"/api/practices/{clinic.practices[1]}/patients", {"patient_id": patient.id}
    guessed = await desk.post(path, body)
    unknown = await desk.post(path, {"patient_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"})
    assert guessed.code == "NOT_FOUND"
    assert guessed.error["message"] == unknown.error["message"]
    assert (await desk.post(LOOKUP, {"phone": contact["phone"], **BORN})).body["found"]
    assert (await doctor.post(path, body)).code == "NOT_FOUND", "another person found them"
    execute(
        clinic.database,
        "UPDATE audit_log SET at = at - INTERVAL '61 minutes' WHERE action = 'patient.looked_up'"
        if isinstance(clinic.database, OnPostgres)
        else "UPDATE audit_log SET at = at - 3660000000 WHERE action = 'patient.looked_up'",
    )
    assert (await desk.post(path, body)).code == "NOT_FOUND", "an hour ago"
    assert (await desk.post(LOOKUP, {"phone": contact["phone"], **BORN})).body["found"]
    assert (await desk.post(path, body)).status == 200
    assert (await doctor.post(path, body)).status == 200, "a patient of the practice by now"
    shown = (await desk.get(f"/api/profiles/{patient.id}")).body
    assert (shown["date_of_birth"], shown["phone"]) == ("1980-03-08", contact["phone"])


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"phone": "+1 555 0100"}, "date_of_birth"),
        ({**BORN}, "phone"),
        ({"phone": "+1 555 0100", "email": "patient-0@example.org", **BORN}, "phone"),
        ({"phone": None, **BORN}, "phone"),
        ({"phone": "call me", **BORN}, "phone"),
        ({"email": "no address", **BORN}, "email"),
        ({"phone": "+1 555 0100", "date_of_birth": "2190-03-08"}, "date_of_birth"),
        ({"phone": "+1 555 0100", "date_of_birth": "1980-02-30"}, "date_of_birth"),
        ({"phone": "+1 555 0100", "name": "Patient 0", **BORN}, "name"),
    ],
)
async def test_an_incomplete_lookup_is_refused(
    clinic: Clinic, body: dict[str, Any], field: str
) -> None:
    answer = await clinic.api(clinic.staff[0]).post(LOOKUP, body)
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert [each["field"] for each in answer.error["details"]] == [field]


async def test_someone_elses_patient_is_404_whatever_the_calendar_says(clinic: Clinic) -> None:
    """So a refused booking does not say where a person is, or whether there is one."""
    doctor, desk = clinic.dentists[2], clinic.api(clinic.staff[1])
    screen = await clinic.screen(clinic.staff[1])
    own = await desk.post("/api/profiles", {"role": "patient", "name": "Own"})
    taken = {**clinic.slot("09:00", dentist=doctor), "patient_id": own.body["id"]}
    assert (await desk.post("/api/appointments", taken)).status == 201
    await clinic.book(clinic.patients[0], "10:00", dentist=clinic.dentists[0])
    unknown = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
    for clock in ("09:00", "10:00", "12:00", "03:00"):  # taken, elsewhere by then, free, closed
        for more in ({}, {"overbook": True}):
            slot = {**clinic.slot(clock, dentist=doctor), **more}
            answers = []
            for patient in (clinic.patients[0].id, unknown):
                body = {**slot, "patient_id": patient}
                for api in (desk, clinic.api(doctor)):
                    answer = await api.post("/api/appointments", body)
                    answers.append((answer.status, answer.code, answer.error["message"]))
                refused = await screen.refused("appointment:book", body)
                answers.append((404, refused["code"], refused["message"]))
            assert set(answers) == {(404, "NOT_FOUND", "No such patient")}, clock
    for path, query in (
        ("/api/consents", {"patient_id": clinic.patients[0].id}),
        (f"/api/profiles/{clinic.patients[0].id}", {}),
        (f"/api/practices/{clinic.practices[1]}/patients/{clinic.patients[0].id}", {}),
    ):
        assert (await desk.get(path, **query)).code == "NOT_FOUND"
    listed = await desk.get("/api/appointments", patient_id=clinic.patients[0].id)
    assert listed.body["data"] == []
