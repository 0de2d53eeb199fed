"""What the dentist's calendar and hours show: nothing is missing, and all of it can be read."""

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from tests.browser.windows import PHONE, DentistScreen, Windows, signed_in
from tests.support.clinic import DAYS_AHEAD, Clinic, schedule


async def test_a_short_visit_shows_its_time_and_every_name_contains_the_day(
    clinic: Clinic, windows: Windows
) -> None:
    short = await clinic.admin.post(
        "/api/appointment-types", {"name": "control", "duration_minutes": 15}
    )
    assert short.status == 201
    patient = clinic.patients[0]
    slot = {**clinic.slot("09:00"), "appointment_type_id": short.body["id"]}
    booked = await clinic.api(patient).post("/api/appointments", slot)
    assert booked.status == 201, booked.body
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    day = datetime.now(UTC).date() + timedelta(DAYS_AHEAD)
    name = re.compile(rf"{patient.name}.*09:00.*control.*{day.day} {day:%b}", re.DOTALL)
    event = desk.page.get_by_role("button", name=name)
    await expect(event).to_be_visible()
    box = await event.bounding_box()
    what = await event.locator(".ev-what").bounding_box()
    assert box is not None
    assert what is not None
    assert what["y"] + what["height"] <= box["y"] + box["height"] + 2, "the time is not cut off"


async def test_a_telephone_shows_a_day_or_three_and_no_week(
    clinic: Clinic, windows: Windows
) -> None:
    phone = await windows.dentist(clinic, clinic.dentists[0], viewport=PHONE)
    heads = phone.page.locator(".ec-col-head")
    await expect(heads).to_have_count(1)
    await phone.button("3 days").click()
    await expect(heads).to_have_count(3)
    await phone.button("Later days").click()
    day = datetime.now(UTC).date() + timedelta(3)
    await expect(phone.page.get_by_role("heading", level=1)).to_contain_text(f"{day.day} {day:%b}")
    await expect(phone.button("Week")).to_have_count(0)


async def test_a_device_clock_two_days_fast_opens_the_day_of_the_hub(
    clinic: Clinic, windows: Windows
) -> None:
    page = await windows.open("about:blank", viewport=PHONE)
    await page.clock.install(time=datetime.now(UTC) + timedelta(days=2))
    await page.goto(signed_in(clinic.url, "dentist", clinic.dentists[0].token))
    desk = DentistScreen(page, clinic)
    await desk.online()
    await expect(page.locator(".ec-col-head.ec-today")).to_be_visible()
    today = datetime.now(UTC)
    await expect(page.get_by_role("heading", level=1)).to_contain_text(f"{today.day} {today:%B}")


async def test_two_weeks_of_vacation_are_one_range(clinic: Clinic, windows: Windows) -> None:
    dentist = clinic.dentists[0]
    today = datetime.now(UTC).date()
    first, last = (f"{today + timedelta(days)}" for days in (2, 15))
    await clinic.book(clinic.patients[0], "09:00")
    desk = await windows.dentist(clinic, dentist)
    await desk.tab("Hours")
    await desk.page.get_by_label("First day").fill(first)
    await desk.page.get_by_label("Last day").fill(last)
    await desk.button("Add time off").click()
    await desk.button("Check and save").click()
    await expect(desk.page.get_by_role("dialog").locator(".affected li")).to_have_count(1)
    await desk.button("Save").click()
    await expect(desk.messages.filter(has_text="The new hours hold")).to_be_visible()
    saved = (await clinic.api(dentist).get(f"/api/availability/{dentist.id}")).body
    assert saved["time_off"] == [
        {"start_date": first, "end_date": last, "start": "00:00", "end": "24:00"}
    ]

    # another change now: what lies outside already is named, too
    await desk.page.get_by_label("Monday: to").fill("17:30")
    await desk.button("Check and save").click()
    dialog = desk.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("1 appointment lies outside of the present hours already")
    await expect(dialog.locator(".affected li")).to_contain_text(clinic.patients[0].name)
    await desk.page.keyboard.press("Escape")
    await desk.tab("Calendar")
    await desk.turn()
    await expect(desk.page.locator(".ec-event.is-outside")).to_have_count(1)


async def test_a_new_dentist_sets_the_time_zone_of_the_hours(
    clinic: Clinic, windows: Windows
) -> None:
    dentist = clinic.dentists[0]
    desk = await windows.dentist(clinic, dentist)
    await desk.tab("Hours")
    await expect(desk.page.get_by_label("Time zone")).to_have_value("UTC")
    await desk.page.get_by_label("Time zone").select_option("Europe/Vienna")
    await desk.button("Check and save").click()
    await desk.button("Save").click()
    await expect(desk.page.get_by_text("In Vienna time")).to_be_visible()
    saved = (await clinic.api(dentist).get(f"/api/availability/{dentist.id}")).body
    assert saved["time_zone"] == "Europe/Vienna"
    assert saved["rules"] == schedule()["rules"]


async def test_a_cancelled_visit_stays_visible_until_its_time_is_taken(
    clinic: Clinic, windows: Windows
) -> None:
    patient, other = clinic.patients[:2]
    booked = await clinic.book(patient, "09:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.select(patient)
    path = f"/api/appointments/{booked['id']}"
    gone = await clinic.api(patient).delete(path, reason="patient_ill")
    assert gone.status == 204
    cancelled = desk.page.locator(".ec-event.is-cancelled")
    await expect(cancelled).to_contain_text("cancelled")
    await expect(desk.panel).to_contain_text("Patient is ill")
    await desk.panel.get_by_role("button", name="Close").click()
    await expect(cancelled).to_be_focused()
    await clinic.book(other, "09:00")
    await expect(cancelled).to_have_count(0)


async def test_the_patients_tab_finds_shows_and_edits_and_follows_changes(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient, "09:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.tab("Patients")
    await expect(desk.page.locator(".visit-line").first).to_be_visible()
    search = desk.page.get_by_role("combobox", name="Find a patient")
    await desk.page.get_by_role("heading", name="By name").click()
    await desk.page.keyboard.press("/")
    await expect(search).to_be_focused()
    await search.fill("0100")
    await desk.page.keyboard.press("Enter")
    record = desk.page.get_by_role("region", name="Patient", exact=True)
    await expect(record.get_by_role("heading", name=patient.name)).to_be_visible()
    await expect(record.locator(".visits .visit-line")).to_have_count(1)

    changed = await clinic.api(patient).put("/api/profiles/me", {"phone": "+43 1 987 654"})
    assert changed.status == 200
    await expect(record.get_by_role("link", name="+43 1 987 654")).to_be_visible()

    await record.get_by_role("button", name="Edit").click()
    await expect(record.get_by_label("Telephone")).to_have_count(0)  # the front desk's
    await record.get_by_label("Remark").fill("Afraid of needles")
    await record.get_by_role("button", name="Save").click()
    await expect(record.locator(".notes")).to_have_text("Afraid of needles")

    await record.locator(".visits .visit-line").click()
    await expect(desk.panel.locator(f'[data-appointment="{booked["id"]}"]')).to_be_visible()
    await expect(desk.page.locator(".ec-event.is-selected")).to_be_visible()
