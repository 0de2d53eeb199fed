"""Criteria 8.1–8.4: a slot is held until its patient completes the booking."""

import asyncio
from datetime import datetime

import pytest

from actors.calendar.settings import ReservationSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, availability_of
from tests.support.database import rows

SHORT = ReservationSettings(hold_seconds=1.0)


async def test_r8_1_a_slot_is_held_for_five_minutes(clinic: Clinic) -> None:
    answer = await clinic.api(clinic.patients[0]).post("/api/reservations", clinic.slot("09:00"))
    assert answer.status == 201, answer.body
    held = answer.body
    assert answer.headers["Location"] == f"/api/reservations/{held['id']}"
    assert held["patient_id"] == clinic.patients[0].id
    assert (held["start"], held["end"]) == (clinic.at("09:00"), clinic.at("09:30"))
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE id = ?", held["id"])
    assert row["status"] == "held"
    expires = datetime.fromisoformat(held["expires_at"])
    lasts_s = expires.timestamp() - datetime.now().timestamp()
    assert 295 < lasts_s <= 300
    shown = await clinic.api(clinic.patients[0]).get(f"/api/reservations/{held['id']}")
    assert (shown.status, shown.body["expires_at"]) == (200, held["expires_at"])


async def test_r8_2_a_held_slot_is_not_offered_to_other_patients(clinic: Clinic) -> None:
    held = await clinic.hold(clinic.patients[0], "09:00")
    for other in clinic.patients[1:4]:
        assert held["start"] not in await clinic.free(other)
        assert held["start"] not in await clinic.free(other, kind="cleaning"), "any type"
    for path in ("/api/reservations", "/api/appointments"):
        refused = await clinic.api(clinic.patients[1]).post(path, clinic.slot("09:00"))
        assert (refused.status, refused.code) == (409, "SLOT_TAKEN")


async def test_r8_3_an_expired_hold_is_released_and_its_slot_offered_again(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(reservations=SHORT) as clinic:
        dentist, patient, other = clinic.dentists[0], clinic.patients[0], clinic.patients[1]
        watcher = await clinic.screen(other, availability_of(dentist))
        own, dashboard = await clinic.screen(patient), await clinic.screen(dentist)
        held = await clinic.hold(patient, "09:00")
        assert held["start"] not in await clinic.free(other)

        freed = await watcher.until(
            lambda each: each.event == "slots.changed" and bool(each.resource["freed"]), 3.0
        )
        assert freed.resource["freed"][0]["start"] == held["start"]
        for screen in (own, dashboard):
            await screen.event("reservation.expired", 1.0, id=held["id"])
        assert held["start"] in await clinic.free(other)
        gone = await clinic.api(patient).get(f"/api/reservations/{held['id']}")
        assert (gone.status, gone.code) == (410, "RESERVATION_EXPIRED")
        taken = await clinic.api(other).post("/api/reservations", clinic.slot("09:00"))
        assert taken.status == 201, taken.body


async def test_r8_3_an_expired_hold_cannot_be_booked_even_if_its_slot_is_free(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(reservations=SHORT) as clinic:
        held = await clinic.hold(clinic.patients[0])
        await asyncio.sleep(1.05)  # until the hold expires, by the real clock
        late = await clinic.api(clinic.patients[0]).post(
            "/api/appointments", {"reservation_id": held["id"]}
        )
        assert (late.status, late.code) == (410, "RESERVATION_EXPIRED")


async def test_r8_4_booking_a_hold_makes_it_a_confirmed_appointment(
    clinic: Clinic,
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    watcher = await clinic.screen(clinic.patients[1], availability_of(dentist))
    dashboard = await clinic.screen(dentist)
    held = await clinic.hold(patient, "09:00")

    booked = await clinic.api(patient).post(
        "/api/appointments", {"reservation_id": held["id"], "notes": "no sugar"}
    )

    assert booked.status == 201, booked.body
    assert booked.body["id"] == held["id"], "the same row"
    assert (booked.body["status"], booked.body["notes"]) == ("confirmed", "no sugar")
    assert "expires_at" not in booked.body
    await dashboard.event("appointment.created", 1.0, id=held["id"])
    later = await clinic.hold(clinic.patients[2], "15:00")
    await watcher.until(
        lambda each: each.event == "slots.changed" and later["start"] in str(each.data), 2.0
    )
    kinds = [each.event for each in watcher.events(availability_of(dentist))]
    assert kinds == ["slots.changed", "slots.changed"], "booking a hold frees and takes nothing"
    assert held["start"] not in await clinic.free(clinic.patients[1])


async def test_r8_4_a_booked_hold_does_not_expire(open_clinic: OpenClinic) -> None:
    async with open_clinic(reservations=SHORT) as clinic:
        patient = clinic.patients[0]
        held = await clinic.hold(patient)
        booked = await clinic.api(patient).post("/api/appointments", {"reservation_id": held["id"]})
        assert booked.status == 201
        await asyncio.sleep(1.3)  # past the expiry of the hold, by the real clock
        row = await clinic.api(patient).get(f"/api/appointments/{held['id']}")
        assert (row.body["status"], row.body["version"]) == ("confirmed", booked.body["version"])


@pytest.mark.parametrize("protocol", ["REST", "Socket.IO"])
async def test_r8_1_r8_4_a_slot_is_held_and_booked_over_both_protocols(
    clinic: Clinic, protocol: str
) -> None:
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    if protocol == "REST":
        held = await clinic.hold(patient)
        booked = (await api.post("/api/appointments", {"reservation_id": held["id"]})).body
    else:
        screen = await clinic.screen(patient)
        held = await screen.ok("reservation:create", clinic.slot())
        booked = await screen.ok("appointment:book", {"reservation_id": held["id"]})
    assert (booked["id"], booked["status"]) == (held["id"], "confirmed")
