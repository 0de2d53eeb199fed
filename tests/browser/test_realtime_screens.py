"""Criteria 1.3, 2.2, 2.4, 2.5 in three browsers, without a reload."""

import asyncio
import re

from playwright.async_api import expect

from tests.browser.windows import Windows
from tests.support.clinic import Clinic, schedule

WITHIN_1_S, WITHIN_2_S = 1_000, 2_000


async def test_r1_3_a_booking_appears_on_the_dentists_screen_without_a_refresh_and_flashes(
    clinic: Clinic, windows: Windows
) -> None:
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    patient = await windows.patient(clinic, clinic.patients[0])
    await patient.look()
    await patient.hold("10:00")
    held = desk.page.locator(".ec-event.is-held")
    await expect(held).to_have_count(1, timeout=WITHIN_1_S)
    await expect(held).to_contain_text("Being booked")

    await patient.button("Confirm").click()

    booked = desk.event(clinic.patients[0])
    await expect(booked).to_be_visible(timeout=WITHIN_1_S)
    await expect(booked).to_have_class(re.compile(r"\bis-confirmed\b.*\bflash\b"))
    await expect(held).to_have_count(0)
    await expect(desk.messages.filter(has_text=clinic.patients[0].name)).to_be_visible()


async def test_r2_2_new_hours_change_the_shown_slots_without_a_refresh(
    clinic: Clinic, windows: Windows
) -> None:
    patient = await windows.patient(clinic, clinic.patients[0])
    await patient.look()
    await expect(patient.slot("08:00")).to_be_visible()
    day = clinic.at("09:00")[:10]
    shorter = schedule(overrides=[{"date": day, "windows": [{"start": "12:00", "end": "13:00"}]}])

    dentist = clinic.dentists[0]
    saved = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", shorter)

    assert saved.status == 200, saved.body
    await expect(patient.slot("08:00")).to_have_count(0, timeout=WITHIN_1_S)
    await expect(patient.page.locator(".slot")).to_have_count(3)
    again = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", schedule())
    assert again.status == 200, again.body
    await expect(patient.slot("08:00")).to_be_visible()


async def test_r2_4_only_unbooked_slots_are_shown_and_a_cancelled_one_comes_back(
    clinic: Clinic, windows: Windows
) -> None:
    other = clinic.patients[1]
    booked = await clinic.book(other, "09:00")
    patient = await windows.patient(clinic, clinic.patients[0])
    await patient.look()
    await expect(patient.slot("09:30")).to_be_visible()
    for clock in ("08:45", "09:00", "09:15"):
        await expect(patient.slot(clock)).to_have_count(0)

    await clinic.api(other).delete(f"/api/appointments/{booked['id']}")

    for clock in ("08:45", "09:00", "09:15"):
        await expect(patient.slot(clock)).to_be_visible(timeout=WITHIN_2_S)


async def test_r2_5_a_held_slot_vanishes_from_two_other_browsers_and_reappears_when_released(
    clinic: Clinic, windows: Windows
) -> None:
    first, second, third = [await windows.patient(clinic, person) for person in clinic.patients[:3]]
    for screen in (first, second, third):
        await screen.look()
        await expect(screen.slot("11:00")).to_be_visible()

    await first.hold("11:00")

    for screen in (second, third):
        await expect(screen.slot("11:00")).to_have_count(0, timeout=WITHIN_2_S)
        await expect(screen.slot("10:45")).to_have_count(0)
        await expect(screen.slot("11:30")).to_be_visible()
    await expect(first.slot("11:00")).to_be_attached()

    await first.button("Give it back").click()

    for screen in (second, third):
        await expect(screen.slot("11:00")).to_be_visible(timeout=WITHIN_2_S)


async def test_of_two_who_take_the_same_slot_one_has_it_and_the_other_sees_the_nearest(
    clinic: Clinic, windows: Windows
) -> None:
    one, two = [await windows.patient(clinic, person) for person in clinic.patients[:2]]
    handles = []
    for screen in (one, two):
        await screen.look()
        handles.append(await screen.slot("14:00").element_handle())

    await asyncio.gather(*(handle.evaluate("slot => slot.click()") for handle in handles if handle))

    faster = [
        screen.page.get_by_role("heading", name="Somebody was faster") for screen in (one, two)
    ]
    await expect(one.countdown.or_(faster[0])).to_be_visible()
    await expect(two.countdown.or_(faster[1])).to_be_visible()
    lost = [await heading.is_visible() for heading in faster]
    assert sorted(lost) == [False, True], "one winner"
    loser = one if lost[0] else two
    near = loser.page.locator(".near-slot")
    await expect(near).to_have_count(4)
    offered = {await each.get_attribute("data-start") for each in await near.all()}
    assert offered == {clinic.at(clock) for clock in ("13:15", "13:30", "14:30", "14:45")}

    await near.first.click()  # one more click and it is theirs

    await expect(loser.countdown).to_be_visible()
    await expect(loser.dialog).to_contain_text("13:15 – 13:45")
