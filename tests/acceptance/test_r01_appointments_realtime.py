"""Criteria 1.1, 1.2, 1.4, 1.5: appointments in real time."""

import asyncio
import time

from tests.support.clinic import Clinic, appointments_of
from tests.support.database import rows


async def test_r1_1_a_booking_through_the_chatbot_is_committed_within_500_ms(
    clinic: Clinic,
) -> None:
    patient = clinic.patients[0]
    began = time.monotonic()
    booked = await clinic.chatbot(patient).post("/api/appointments", clinic.slot())
    took_s = time.monotonic() - began

    assert booked.status == 201, booked.body
    assert took_s < 0.5
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE id = ?", booked.body["id"])
    assert row["status"] == "confirmed"
    assert row["patient_id"] == patient.id
    assert row["created_via"] == "chatbot"


async def test_r1_2_every_dashboard_of_the_dentist_receives_the_booking_in_1_s(
    clinic: Clinic,
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    dashboards = [await clinic.screen(dentist) for _ in range(5)]
    booked = await clinic.book(patient)

    shown = await asyncio.gather(
        *(screen.event("appointment.created", 1.0, id=booked["id"]) for screen in dashboards)
    )
    for event in shown:
        assert event.data["channel"] == appointments_of(dentist)
        assert event.resource == booked, "an event shows the resource as REST does"


async def test_r1_2_the_dashboard_of_another_dentist_receives_nothing(clinic: Clinic) -> None:
    other = await clinic.screen(clinic.dentists[1])
    own = await clinic.screen(clinic.dentists[0])
    booked = await clinic.book(clinic.patients[0])
    await own.event("appointment.created", id=booked["id"])
    later = await clinic.book(clinic.patients[1], dentist=clinic.dentists[1])
    await other.event("appointment.created", id=later["id"])

    assert booked["id"] not in str(other.received)


async def test_r1_4_the_dentist_receives_a_cancellation_in_1_s(clinic: Clinic) -> None:
    dashboard = await clinic.screen(clinic.dentists[0])
    booked = await clinic.book(clinic.patients[0])

    cancelled = await clinic.api(clinic.patients[0]).delete(
        f"/api/appointments/{booked['id']}", reason="patient_ill"
    )

    assert cancelled.status == 204
    event = await dashboard.event("appointment.cancelled", 1.0, id=booked["id"])
    assert event.resource["status"] == "cancelled"
    assert event.resource["cancel_reason"] == "patient_ill"


async def test_r1_5_patient_and_dentist_receive_every_status_in_1_s(
    clinic: Clinic,
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    screens = [await clinic.screen(dentist), await clinic.screen(patient)]
    booked = await clinic.visit(patient)

    for status in ("arrived", "checked_in", "completed"):
        changed = await clinic.api(dentist).put(
            f"/api/appointments/{booked['id']}", {"status": status}
        )
        assert changed.status == 200, changed.body
        for screen in screens:
            event = await screen.event("appointment.updated", 1.0, id=booked["id"], status=status)
            assert event.resource["version"] == changed.body["version"]


async def test_r1_5_patient_and_dentist_receive_an_undone_status(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    screens = [await clinic.screen(dentist), await clinic.screen(patient)]
    booked = await clinic.visit(patient)
    for status in ("no_show", "confirmed"):
        changed = await clinic.api(dentist).put(
            f"/api/appointments/{booked['id']}", {"status": status}
        )
        assert changed.status == 200, changed.body
        for screen in screens:
            await screen.event(
                "appointment.updated", 1.0, id=booked["id"], version=changed.body["version"]
            )
