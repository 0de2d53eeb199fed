"""What patients do: on a telephone, with a keyboard, in another zone, in German."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.async_api import expect

from tests.browser.windows import PHONE, Windows, signed_in
from tests.support.clinic import Clinic
from tests.support.eventually import eventually


async def test_a_time_is_found_held_booked_and_put_into_another_calendar(
    clinic: Clinic, windows: Windows
) -> None:
    person = clinic.patients[0]
    phone = await windows.patient(clinic, person, viewport=PHONE, has_touch=True)
    await phone.page.get_by_label("cleaning").check()
    await phone.look()
    await phone.page.get_by_label("Afternoon").check()
    await phone.look()
    await expect(phone.slot("11:45")).to_have_count(0)
    await phone.slot("13:00").click()
    await expect(phone.dialog).to_contain_text("13:00 – 14:00")
    await phone.page.get_by_label("Notes").fill("Coming with a small child")
    await phone.button("Confirm").click()
    await expect(phone.dialog.get_by_text("Your appointment is booked")).to_be_visible()
    async with phone.page.expect_download() as downloading:
        await phone.button("Add to calendar").click()
    file = (await (await downloading.value).path()).read_bytes().decode()
    start = clinic.at("13:00").replace("-", "").replace(":", "")
    assert f"DTSTART:{start}\r\n" in file
    assert "SUMMARY:Appointment at First practice\r\n" in file
    assert "METHOD:REQUEST\r\n" in file
    await phone.button("My appointments").last.click()
    await expect(phone.page.get_by_text("Coming with a small child")).to_be_visible()
    page = (await clinic.api(person).get("/api/appointments")).body
    assert [row["notes"] for row in page["data"]] == ["Coming with a small child"]
    assert page["data"][0]["created_via"] == "patient"


async def test_an_appointment_is_moved_and_then_cancelled(clinic: Clinic, windows: Windows) -> None:
    person = clinic.patients[0]
    booked = await clinic.book(person, "09:00")
    phone = await windows.patient(clinic, person, viewport=PHONE)
    await phone.tab("My appointments")
    await phone.card(booked["id"]).get_by_role("button", name="Move").click()
    await expect(phone.page.get_by_role("heading", name="Choose a new time")).to_be_visible()
    await phone.page.locator(".day").nth(3).click()
    await phone.slot("16:00").click()
    await phone.button("Move it here").click()
    await expect(phone.card(booked["id"])).to_have_attribute("data-start", clinic.at("16:00"))
    row = (await clinic.api(person).get(f"/api/appointments/{booked['id']}")).body
    assert row["start"] == clinic.at("16:00")

    await phone.card(booked["id"]).get_by_role("button", name="Cancel").click()
    await phone.page.get_by_label("Reason").select_option("patient_ill")
    await phone.button("Cancel it").click()

    await expect(phone.page.get_by_text("You have no appointments ahead.")).to_be_visible()
    await phone.page.get_by_text("Earlier and cancelled").click()
    async with phone.page.expect_download() as downloading:
        await phone.card(booked["id"]).get_by_role("button", name="Add to calendar").click()
    file = (await (await downloading.value).path()).read_bytes().decode()
    assert "METHOD:CANCEL\r\n" in file, "calendars remove their entry"
    cancelled = {"status": "cancelled", "cancel_reason": "patient_ill"}  # shown before it is so
    assert await eventually(lambda: clinic.shows(person, booked["id"], **cancelled), 5.0)
    await phone.page.get_by_text("Earlier and cancelled").click()
    await expect(phone.card(booked["id"])).to_contain_text("cancelled")


async def test_a_move_to_a_time_that_was_just_taken_changes_nothing(
    clinic: Clinic, windows: Windows
) -> None:
    person = clinic.patients[0]
    booked = await clinic.book(person, "09:00")
    phone = await windows.patient(clinic, person)
    await phone.tab("My appointments")
    await phone.card(booked["id"]).get_by_role("button", name="Move").click()
    await phone.page.locator(".day").nth(3).click()
    await phone.slot("16:00").click()
    await clinic.book(clinic.patients[1], "16:00")
    await phone.button("Move it here").click()
    await expect(phone.page.get_by_role("heading", name="Somebody was faster")).to_be_visible()
    await expect(phone.page.locator(".near-slot")).to_have_count(4)
    row = (await clinic.api(person).get(f"/api/appointments/{booked['id']}")).body
    assert row["start"] == clinic.at("09:00")


async def test_a_hold_outlives_a_reload_and_the_token_leaves_the_address(
    clinic: Clinic, windows: Windows
) -> None:
    phone = await windows.patient(clinic, clinic.patients[0])
    assert phone.page.url == f"{clinic.url}/patient"
    await phone.look()
    await phone.hold("10:00")
    await phone.page.reload()
    assert re.fullmatch(r".*/patient\?[^#]*", phone.page.url), "the search, and no token"
    await expect(phone.page.get_by_text("is still kept for you")).to_be_visible()
    await phone.button("Go on").click()
    await phone.button("Confirm").click()
    await expect(phone.dialog.get_by_text("Your appointment is booked")).to_be_visible()


async def test_times_are_in_the_clinics_zone_unless_switched(
    clinic: Clinic, windows: Windows
) -> None:
    new_york = clinic.dentists[1]
    phone = await windows.patient(clinic, clinic.patients[0], timezone_id="Europe/Vienna")
    await phone.page.locator("#dentist").select_option(new_york.id)
    await expect(phone.page.get_by_text("Times as at the practice (New York).")).to_be_visible()
    await phone.page.locator(".day").nth(3).click()
    first = phone.page.locator(".slot").first
    await expect(first).to_have_text("08:00")
    start = datetime.fromisoformat(await first.get_attribute("data-start") or "")
    assert start.astimezone(ZoneInfo("America/New_York")).hour == 8

    await phone.button("Show Vienna time").click()

    await expect(phone.page.get_by_text("Times as where you are (Vienna).")).to_be_visible()
    shown = phone.page.locator(f'.slot[data-start="{start:%Y-%m-%dT%H:%M:%SZ}"]')
    await expect(shown).to_have_text(f"{start.astimezone(ZoneInfo('Europe/Vienna')):%H:%M}")


async def test_booking_works_with_the_keyboard_alone(clinic: Clinic, windows: Windows) -> None:
    phone = await windows.patient(clinic, clinic.patients[0])
    await phone.look()
    keys = phone.page.keyboard
    await phone.slot("10:00").focus()
    await keys.press("Enter")
    await expect(phone.countdown).to_be_visible()
    inside = "document.activeElement.closest('dialog') !== null"
    assert await phone.page.evaluate(inside), "the focus is in the dialog"
    await keys.press("Escape")
    await expect(phone.dialog).to_have_count(0)
    assert await eventually(lambda: _holds_nothing(clinic), 2.0), "Escape gives it back"
    await phone.slot("10:00").focus()
    await keys.press("Enter")
    await expect(phone.countdown).to_be_visible()
    await phone.page.get_by_label("Notes").focus()
    for _ in range(2):  # past "Give it back", to "Confirm"
        await keys.press("Tab")
    await keys.press("Enter")
    await expect(phone.dialog.get_by_text("Your appointment is booked")).to_be_visible()


async def _holds_nothing(clinic: Clinic) -> bool:
    held = await clinic.api(clinic.patients[0]).get("/api/appointments", status="held")
    return not held.body["data"]


async def test_german_is_spoken_too_and_remembered(clinic: Clinic, windows: Windows) -> None:
    page = await windows.open(
        signed_in(clinic.url, "patient", clinic.patients[0].token), locale="de-AT"
    )
    await expect(page.get_by_role("heading", name="Termin finden")).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "de"
    await expect(page).to_have_title("Termine · Chairside")
    await page.get_by_label("Sprache").select_option("en")
    await expect(page.get_by_role("heading", name="Find a time")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Find a time")).to_be_visible()


async def test_a_token_of_another_role_is_refused_in_words(
    clinic: Clinic, windows: Windows
) -> None:
    page = await windows.open(signed_in(clinic.url, "patient", clinic.dentists[0].token))
    await expect(page.get_by_role("alert")).to_have_text(re.compile("does not accept this sign-in"))
    await page.get_by_label("Token").fill(clinic.patients[0].token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Find a time")).to_be_visible()
