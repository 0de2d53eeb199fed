"""What one person can hold is bounded, on every interface: appointments, connections, bytes."""

import asyncio
from collections import Counter

from actors.calendar.settings import ReservationSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic

THREE = ReservationSettings(max_future_per_patient=3)


async def test_a_patient_has_at_most_ten_appointments_ahead(clinic: Clinic) -> None:
    times = [f"{8 + n // 2:02}:{30 * (n % 2):02}" for n in range(14)]
    api = clinic.api(clinic.patients[0])
    answers = await asyncio.gather(
        *(api.post("/api/appointments", clinic.slot(at)) for at in times)
    )
    outcomes = Counter((answer.status, answer.code) for answer in answers)
    assert outcomes == {(201, None): 10, (429, "TOO_MANY_APPOINTMENTS"): 4}


async def test_the_limit_of_appointments_is_one_over_all_interfaces(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(reservations=THREE) as clinic:
        patient, dentist = clinic.patients[0], clinic.dentists[0]
        screen = await clinic.screen(patient)
        first = await clinic.book(patient, "09:00")
        held = await screen.ok("reservation:create", clinic.slot("10:00"))
        await clinic.chatbot(patient).post("/api/appointments", clinic.slot("11:00"))
        for api in (clinic.api(patient), clinic.chatbot(patient)):
            for path in ("/api/appointments", "/api/reservations"):
                refused = await api.post(path, clinic.slot("12:00"))
                assert (refused.status, refused.code) == (429, "TOO_MANY_APPOINTMENTS")
        for command in ("appointment:book", "reservation:create"):
            error = await screen.refused(command, clinic.slot("12:00"))
            assert error["code"] == "TOO_MANY_APPOINTMENTS"
        await screen.ok("appointment:book", {"reservation_id": held["id"]})
        moved = {"start": clinic.at("13:00", dentist=dentist)}
        assert (
            await clinic.api(patient).put(f"/api/appointments/{first['id']}", moved)
        ).status == 200
        by_staff = await clinic.api(dentist).post(
            "/api/appointments", clinic.slot("14:00") | {"patient_id": patient.id}
        )
        assert by_staff.status == 201, "staff may book more"
        await clinic.api(patient).delete(f"/api/appointments/{first['id']}")
        still = await clinic.api(patient).post("/api/appointments", clinic.slot("15:00"))
        assert still.code == "TOO_MANY_APPOINTMENTS", "what staff booked counts"
