"""A patient's record: date of birth, language and consents to messages, and who may change them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.clinic import Clinic

NOT_ASKED = {"given": False, "at": None, "source": None}


async def test_a_patient_enters_the_date_of_birth_once_and_the_practice_corrects_it(
    clinic: Clinic,
) -> None:
    person, desk = clinic.patients[0], clinic.api(clinic.staff[0])
    me = clinic.api(person)
    screen = await clinic.screen(person)
    born = {"date_of_birth": "1980-03-08"}
    saved = await me.put("/api/profiles/me", {**born, "language": "DE-at"})
    assert saved.status == 200, saved.body
    assert (saved.body["date_of_birth"], saved.body["language"]) == ("1980-03-08", "de-AT")
    await screen.event("profile.updated", 1.0, date_of_birth="1980-03-08")
    assert (await me.put("/api/profiles/me", born)).status == 200, "the same again"
    for other in ("1980-03-09", None):
        refused = await me.put("/api/profiles/me", {"date_of_birth": other, "name": "X"})
        assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert (await me.get("/api/profiles/me")).body == saved.body
    path = f"/api/profiles/{person.id}"
    corrected = await desk.put(path, {"date_of_birth": "1980-03-09"})
    assert corrected.body["date_of_birth"] == "1980-03-09"
    emptied = await clinic.admin.put(path, {"date_of_birth": None})
    assert emptied.body["date_of_birth"] is None


async def test_consents_to_messages_say_when_and_by_whom_they_were_entered(clinic: Clinic) -> None:
    person, desk = clinic.patients[0], clinic.api(clinic.staff[0])
    before = (await clinic.api(person).get("/api/profiles/me")).body
    assert before["consent"] == {"email": NOT_ASKED, "sms": NOT_ASKED}
    asked = datetime.now(UTC)
    path = f"/api/profiles/{person.id}"
    first = (await desk.put(path, {"consent": {"email": True}})).body["consent"]
    assert (first["email"]["given"], first["email"]["source"]) == (True, "staff")
    assert abs(datetime.fromisoformat(first["email"]["at"]) - asked) < timedelta(minutes=5)
    assert first["sms"] == NOT_ASKED
    answers = {"consent": {"email": True, "sms": False}}
    second = (await clinic.api(person).put("/api/profiles/me", answers)).body["consent"]
    assert second["email"] == first["email"], "the first answer keeps its time"
    assert (second["sms"]["given"], second["sms"]["source"]) == (False, "patient")
    ended = (
        await clinic.chatbot(person).put("/api/profiles/me", {"consent": {"email": False}})
    ).body
    assert (ended["consent"]["email"]["given"], ended["consent"]["email"]["source"]) == (
        False,
        "chatbot",
    )
    assert ended["consent"]["sms"] == second["sms"]
    made = await clinic.admin.post(
        "/api/profiles", {"role": "patient", "name": "N", "consent": {"sms": True}}
    )
    assert made.body["consent"]["sms"]["source"] == "admin"


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        ({"date_of_birth": "1980-02-30"}, "date_of_birth", "no such date"),
        ({"date_of_birth": "1899-12-31"}, "date_of_birth", "between 1900"),
        ({"date_of_birth": "08.03.1980"}, "date_of_birth", "a date like"),
        ({"date_of_birth": "2190-01-01"}, "date_of_birth", "in the future"),
        ({"date_of_birth": 19800308}, "date_of_birth", "a date like"),
        ({"language": "german language"}, "language", "a language tag"),
        ({"language": "de_AT"}, "language", "a language tag"),
        ({"language": "x"}, "language", "a language tag"),
        ({"consent": {"email": {"given": True}}}, "consent.email", "true or false"),
        ({"consent": {"email": True, "at": "2027-01-01"}}, "consent.at", "Unknown"),
        ({"consent": True}, "consent", "Invalid input type"),
    ],
)
async def test_an_impossible_record_is_refused(
    clinic: Clinic, fields: dict[str, Any], where: str, message: str
) -> None:
    new = {"role": "patient", "name": "New", **fields}
    desk = clinic.api(clinic.staff[0])
    for answer in (
        await clinic.api(clinic.patients[0]).put("/api/profiles/me", fields),
        await desk.put(f"/api/profiles/{clinic.patients[0].id}", fields),
        await desk.post("/api/profiles", new),
    ):
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
        (detail,) = answer.body["error"]["details"]
        assert detail["field"] == where
        assert message in detail["message"]


async def test_only_patients_have_a_date_of_birth_and_consents(clinic: Clinic) -> None:
    dentist = clinic.api(clinic.dentists[0])
    for fields in ({"date_of_birth": "1980-03-08"}, {"consent": {"sms": True}}):
        answer = await dentist.put("/api/profiles/me", fields)
        assert answer.code == "VALIDATION_ERROR"
        assert "only patients" in answer.body["error"]["details"][0]["message"]
    spoken = await dentist.put("/api/profiles/me", {"language": "en"})
    assert (spoken.status, spoken.body["language"]) == (200, "en")


async def test_a_date_of_birth_of_a_patient_of_two_practices_is_for_admins(clinic: Clinic) -> None:
    person = clinic.patients[0]
    assert (await clinic.book(person, dentist=clinic.dentists[2]))["id"]
    for desk in map(clinic.api, clinic.staff):
        answer = await desk.put(f"/api/profiles/{person.id}", {"date_of_birth": "1980-03-08"})
        assert answer.code == "FORBIDDEN"
    path = f"/api/profiles/{person.id}"
    saved = await clinic.admin.put(path, {"date_of_birth": "1980-03-08"})
    assert saved.body["date_of_birth"] == "1980-03-08"
    for desk in map(clinic.api, clinic.staff):
        assert (await desk.get(path)).body["date_of_birth"] == "1980-03-08"


async def test_a_record_is_for_those_who_see_the_contact_data(clinic: Clinic) -> None:
    """A hold alone, an exact telephone number or a card give no more than a name."""
    person, desk = clinic.patients[0], clinic.api(clinic.staff[0])
    record = {"date_of_birth": "1980-03-08", "language": "de", "consent": {"sms": True}}
    assert (await desk.put(f"/api/profiles/{person.id}", record)).status == 200
    held = await clinic.api(person).post(
        "/api/reservations", clinic.slot(dentist=clinic.dentists[2])
    )
    assert held.status == 201
    assert "1980" not in str(held.body)
    other = clinic.api(clinic.dentists[2])
    assert (await other.get(f"/api/profiles/{person.id}")).code == "NOT_FOUND"
    await clinic.book(person, "11:00", dentist=clinic.dentists[0])
    seen = (await clinic.api(clinic.dentists[0]).get(f"/api/profiles/{person.id}")).body
    assert (seen["date_of_birth"], seen["language"]) == ("1980-03-08", "de")
    assert seen["consent"]["sms"]["given"] is True
