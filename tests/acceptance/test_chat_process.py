"""``chairside chat``, which reaches the hub over the network only.

Criteria 1.1, 2.5, 3.1 and 3.3: its bookings reach other clients in time, and it notifies its
patient of other people's changes in time.
"""

import time

from tests.support.chats import chatting
from tests.support.clinic import Clinic
from tests.support.database import rows


async def test_r1_1_and_r3_3_a_chatbots_booking_reaches_all_clients_in_time(
    clinic: Clinic,
) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    on_dashboard = await clinic.screen(dentist)
    on_phone = await clinic.screen(patient)
    async with chatting(clinic, patient) as bot:
        assert "09:00" in await bot.send("check-up with Dentist 0 in 3 days after 9am")
        assert "Shall I book it?" in await bot.send("the first one")
        began = time.monotonic()
        assert "Booked" in await bot.send("yes")
        assert time.monotonic() - began < 0.5, "committed and confirmed"
        for screen in (on_dashboard, on_phone):
            seen = await screen.event("appointment.created", 1.0)
            assert seen.at - began < 1.0
            assert seen.resource["created_via"] == "chatbot"
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE status = 'confirmed'")
    recorded = (row["created_via"], row["changed_by"], row["on_behalf_of"])
    assert recorded == ("chatbot", "clinic-chatbot", patient.id)


async def test_r2_5_and_r3_1_changes_by_others_reach_the_chatbot_in_time(clinic: Clinic) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    booked = await clinic.book(patient, "16:00")
    async with chatting(clinic, patient) as bot:
        assert "16:00" in await bot.send("my appointments")
        assert "09:00" in await bot.send("check-up with Dentist 0 in 3 days after 9am")
        await clinic.book(clinic.patients[1], "09:00")
        await bot.notice("was just taken by somebody else", 2.0)
        moved = await clinic.api(dentist).put(
            f"/api/appointments/{booked['id']}", {"start": clinic.at("17:00")}
        )
        assert moved.status == 200, moved.body
        await bot.notice("at 17:00", 1.0)
        assert (await clinic.api(dentist).delete(f"/api/appointments/{booked['id']}")).status == 204
        await bot.notice("was cancelled", 1.0)
