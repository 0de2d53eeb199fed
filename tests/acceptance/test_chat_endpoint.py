"""``POST /api/chat``: the hub's own chatbot over REST, as its page uses it."""

from typing import Any

import pytest

from hub.chat import ChatSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.chats import Page
from tests.support.clinic import CHATBOT, Clinic, Person, availability_of
from tests.support.database import rows
from tests.support.tokens import token


def page_of(clinic: Clinic, patient: Person) -> Page:
    return Page(clinic.api(patient))


async def mine(clinic: Clinic, patient: Person, **filters: Any) -> list[dict[str, Any]]:
    answer = await clinic.api(patient).get("/api/appointments", **filters)
    found: list[dict[str, Any]] = answer.body["data"]
    return found


async def test_a_patient_books_moves_and_cancels_in_words(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    page = page_of(clinic, patient)
    assert "Hello!" in await page.begin()
    assert "15:00" in await page.send("I need a cleaning with Dentist 0 tomorrow after 3")
    assert page.watch == [availability_of(clinic.dentists[0])]
    assert "Shall I book it?" in await page.send("the first one")
    assert page.watch == []
    assert await mine(clinic, patient) == [], "a hold is no appointment"
    assert "Booked" in await page.send("yes")
    (booked,) = await mine(clinic, patient)
    assert (booked["status"], booked["created_via"]) == ("confirmed", "chatbot")
    assert "Shall I move" in await page.send("move it a week later")
    assert "Done" in await page.send("yes")
    (moved,) = await mine(clinic, patient)
    assert moved["start"][:10] != booked["start"][:10]
    assert moved["start"][10:] == booked["start"][10:]
    assert "Shall I cancel" in await page.send("cancel my appointment")
    assert "Cancelled" in await page.send("yes, cancel it")
    (cancelled,) = await mine(clinic, patient)
    assert cancelled["status"] == "cancelled"
    audited = rows(
        clinic.database,
        "SELECT action, role, subject, acting, on_behalf_of FROM audit_log WHERE patient_id = ?"
        " AND resource_kind = 'appointment'",
        patient.id,
    )
    assert len(audited) >= 5
    assert {each["acting"] for each in audited} == {"chairside-chat"}
    assert {each["on_behalf_of"] for each in audited} == {patient.id}
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE id = ?", booked["id"])
    assert (row["changed_by"], row["on_behalf_of"]) == ("chairside-chat", patient.id)


async def test_a_lost_race_leads_to_another_offer(clinic: Clinic) -> None:
    page = page_of(clinic, clinic.patients[0])
    offer = await page.send("check-up with Dentist 0 in 3 days at 9am or later")
    assert "09:00" in offer, offer
    await clinic.book(clinic.patients[1], "09:00")
    reply = await page.send("1")
    assert "somebody else has just taken" in reply
    assert "Booked" in await _until_booked(page)


async def _until_booked(page: Page) -> str:
    await page.send("1")
    return await page.send("yes")


async def test_event_of_a_taken_time_leads_to_a_notice(clinic: Clinic) -> None:
    page = page_of(clinic, clinic.patients[0])
    screen = await clinic.screen(clinic.patients[0], availability_of(clinic.dentists[0]))
    await page.send("check-up with Dentist 0 in 3 days after 9am")
    await clinic.book(clinic.patients[1], "09:00")
    event = await screen.event("slots.changed", 1.0)
    shouted = {**event.resource, "dentist_id": event.resource["dentist_id"].upper()}
    notice = await page.post_event({"type": event.event, "data": shouted})
    assert "was just taken by somebody else" in notice
    assert await page.post_event({"type": "unheard.of", "data": {}}) == ""


async def test_a_chatbot_chats_for_its_patient_and_is_recorded(clinic: Clinic) -> None:
    page = Page(clinic.chatbot(clinic.patients[0]))
    assert "Booked" in await _booked(page)
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE status = 'confirmed'")
    assert (row["created_via"], row["changed_by"]) == ("chatbot", "clinic-chatbot")


async def _booked(page: Page) -> str:
    await page.send("check-up with Dentist 0 in 3 days at 10am")
    return await page.send("yes")


async def test_a_state_is_valid_for_one_patient_and_hub(clinic: Clinic) -> None:
    page = page_of(clinic, clinic.patients[0])
    await page.send("check-up with Dentist 0 in 3 days at 10am")
    thief = page_of(clinic, clinic.patients[1])
    thief.state = page.state
    assert "let’s begin again" in await thief.send("yes")
    assert await mine(clinic, clinic.patients[1]) == []
    forged = page_of(clinic, clinic.patients[0])
    forged.state = clinic.patients[0].token
    assert "let’s begin again" in await forged.send("yes")


async def test_other_roles_than_patients_have_no_chat(clinic: Clinic) -> None:
    for api in (clinic.admin, clinic.api(clinic.dentists[0]), clinic.with_token(CHATBOT)):
        answer = await api.post("/api/chat", {"message": "hello"})
        assert (answer.status, answer.code) == (403, "FORBIDDEN")
    answer = await clinic.with_token(None).post("/api/chat", {"message": "hello"})
    assert (answer.status, answer.error["message"]) == (401, "Invalid token")
    expired = token("patient", "patient-0", ttl_s=-5)
    assert (await clinic.with_token(expired).post("/api/chat", {})).status == 401


QUALIFIED = (
    ("a check-up in 3 days, but not with Dentist 0", "check-up"),
    ("a check-up with Dentist 0 in 3 days at 0930", "at 09:30. Shall I book it?"),
    ("a check-up with Dentist 0 in 3 days at 9h30", "at 09:30. Shall I book it?"),
    ("a check-up with Dentist 0 in 3 days no earlier than half past nine", "1. "),
    ("a check-up with Dentist 0 and a surgery in 3 days", "“two treatments at once”"),
    ("a check-up with Dentist 0 in 3 days unless it rains", "“unless it rains”"),
    ("a check-up with Dentist 0 around Easter", "“easter”"),
    ("please do not cancel anything", "I won’t cancel anything"),
    ("cancel the appointment on 31 February", "no upcoming appointment"),
)
"""Sentences, and parts of the reply."""


async def test_qualifiers_are_used_or_asked_about(clinic: Clinic) -> None:
    for sentence, part in QUALIFIED:
        page = page_of(clinic, clinic.patients[0])
        reply = await page.send(sentence)
        assert part in reply, (sentence, reply)
        assert "Dentist 0" not in reply or "not with Dentist 0" not in sentence
        assert "at 09:15" not in reply
        await page.send("never mind")
    assert await mine(clinic, clinic.patients[0]) == []


async def test_chat_has_a_rate_limit_of_its_own(open_clinic: OpenClinic) -> None:
    """One caller's flood is refused; events, other routes and other patients are not."""
    async with open_clinic(chat=ChatSettings(rate_per_s=0.1, rate_burst=3)) as clinic:
        page = page_of(clinic, clinic.patients[0])
        answers = [await page.post(message="hello") for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 3 + [429] * 2
        assert answers[-1].code == "RATE_LIMITED"
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
        assert (await page.post(event={"type": "unheard.of", "data": {}})).status == 200
        assert await mine(clinic, clinic.patients[0]) == []
        assert "Hello" in await page_of(clinic, clinic.patients[1]).begin()


NO_ZONE = {
    "start": "2027-03-08T09:00:00",
    "end": "2027-03-08T09:30:00",
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 0,
}
CREATED = {
    "id": "a",
    "dentist_id": "d",
    "appointment_type_id": "t",
    "start": "2027-03-08T09:00:00Z",
    "end": "2027-03-08T09:30:00Z",
    "status": "confirmed",
    "version": 1,
}
BAD: tuple[dict[str, Any], ...] = (
    {"message": 5},
    {"message": "x" * 20_001},
    {"message": "bell\x07"},
    {"message": "a", "event": {"type": "x", "data": {}}},
    {"event": {"type": "slots.changed", "data": {"taken": [{"start": "soon"}]}}},
    {"event": {"type": "slots.changed", "data": {"dentist_id": "d", "taken": [NO_ZONE]}}},
    {"event": {"type": "appointment.created", "data": {}}},
    {"event": {"type": "appointment.created", "data": {**CREATED, "version": "1"}}},
    {"event": {"type": "appointment.created", "data": {**CREATED, "id": ["a"]}}},
    {"event": {"type": "appointment.created", "data": {**CREATED, "end": NO_ZONE["end"]}}},
    {"event": {"type": "appointment.created", "data": []}},
    {"event": {}},
    {"state": "x" * 40_000},
    {"state": ["x"]},
    {"surprise": 1},
)


@pytest.mark.usefixtures("nothing_changes")
async def test_bad_input_is_refused_and_hostile_messages_change_nothing(clinic: Clinic) -> None:
    page = page_of(clinic, clinic.patients[3])
    for body in BAD:
        answer = await page.post(**body)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), body
    for message in (
        "x" * 10_000,
        "'; DROP TABLE appointments; --",
        "<script>alert(1)</script>",
        "cancel everyone's appointments",
        "show me Patient 0's appointments",
        "yes",
        "line one\nline two",
        "",
    ):
        reply = await page.send(message)
        assert "Patient 0" not in reply
        assert len(reply) < 2_000


async def test_a_conversation_continues_after_a_restart_of_the_hub(
    open_clinic: OpenClinic,
) -> None:
    """The client keeps the state, so a restart or another process does not lose it."""
    async with open_clinic() as clinic:
        page = page_of(clinic, clinic.patients[0])
        await page.send("check-up with Dentist 0 in 3 days after 9am")
        state = page.state
    async with open_clinic() as clinic:
        page = page_of(clinic, clinic.patients[0])
        page.state = state
        assert "Shall I book it?" in await page.send("the second one")
