"""Criteria 3.1–3.3: a change by patient, dentist or chatbot reaches the others."""

import pytest

from tests.support.clinic import Clinic, appointments_of


async def test_r3_1_patient_and_chatbot_receive_the_dentists_change_in_1_s(
    clinic: Clinic,
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    booked = await clinic.book(patient, "09:00")
    screens = [await clinic.screen(patient), await clinic.chatbot_screen(patient)]

    moved = await clinic.api(dentist).put(
        f"/api/appointments/{booked['id']}",
        {"start": clinic.at("11:30"), "notes": "bring the X-ray"},
    )

    assert moved.status == 200, moved.body
    for screen in screens:
        event = await screen.event("appointment.updated", 1.0, id=booked["id"])
        assert event.data["channel"] == appointments_of(patient)
        assert event.resource == moved.body
        assert event.resource["start"] == clinic.at("11:30")


async def test_r3_1_a_change_over_socketio_reaches_the_patient_too(
    clinic: Clinic,
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.visit(patient)
    dashboard, page = await clinic.screen(clinic.dentists[0]), await clinic.screen(patient)

    changed = await dashboard.ok("appointment:update", {"id": booked["id"], "status": "arrived"})

    event = await page.event("appointment.updated", 1.0, id=booked["id"])
    assert event.resource == changed


async def test_r3_2_the_dentist_receives_the_patients_new_profile_in_1_s(
    clinic: Clinic,
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    await clinic.book(patient)
    dashboard, own = await clinic.screen(dentist), await clinic.screen(patient)
    colleague, other_dentist = [await clinic.screen(each) for each in clinic.dentists[1:]]

    saved = await clinic.api(patient).put("/api/profiles/me", {"phone": "+1 555 0199"})

    assert saved.status == 200, saved.body
    event = await dashboard.event("profile.updated", 1.0, id=patient.id)
    assert event.data["channel"] == f"profiles:dentist:{dentist.id}"
    assert event.resource == saved.body
    mine = await own.event("profile.updated", 1.0, id=patient.id)
    assert mine.data["channel"] == f"profiles:user:{patient.id}"
    assert mine.data["id"] == event.data["id"], "one event, two channels"
    for number, screen in ((1, colleague), (2, other_dentist)):
        later = await clinic.book(clinic.patients[number], dentist=clinic.dentists[number])
        await screen.event("appointment.created", id=later["id"])
    assert "+1 555 0199" not in str(colleague.received), "of the practice, not of this dentist"
    assert patient.id not in str(other_dentist.received), "not a patient of this practice"


@pytest.mark.parametrize("protocol", ["REST", "Socket.IO"])
async def test_r3_3_dentist_and_patient_receive_the_chatbots_booking_in_1_s(
    clinic: Clinic, protocol: str
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    screens = [await clinic.screen(dentist), await clinic.screen(patient)]
    if protocol == "REST":
        answer = await clinic.chatbot(patient).post("/api/appointments", clinic.slot())
        assert answer.status == 201, answer.body
        booked = answer.body
    else:
        chatbot = await clinic.chatbot_screen(patient)
        booked = await chatbot.ok("appointment:book", clinic.slot())

    for person, screen in zip((dentist, patient), screens, strict=True):
        event = await screen.event("appointment.created", 1.0, id=booked["id"])
        assert event.data["channel"] == appointments_of(person)
        assert event.resource == booked
        assert event.resource["created_via"] == "chatbot"
