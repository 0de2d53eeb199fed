"""What a dentist does at the desk."""

import pytest
from playwright.async_api import expect

from tests.browser.windows import Windows
from tests.support.clinic import Clinic, Person, schedule
from tests.support.eventually import eventually


async def row_of(clinic: Clinic, appointment_id: str) -> dict[str, object]:
    answer = await clinic.api(clinic.dentists[0]).get(f"/api/appointments/{appointment_id}")
    body: dict[str, object] = answer.body
    return body


async def test_an_appointment_is_rescheduled_by_dragging_and_the_patient_sees_it(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient, "09:00")
    phone = await windows.patient(clinic, patient)
    await phone.tab("My appointments")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await expect(desk.event(patient)).to_contain_text("09:00")

    await desk.drag(patient, quarters=6)
    await expect(desk.proposal).to_contain_text("10:30")
    assert (await row_of(clinic, booked["id"]))["start"] == clinic.at("09:00"), "proposed only"
    await desk.accept()

    await expect(desk.event(patient)).to_contain_text("10:30")
    at_half_past = {"start": clinic.at("10:30")}
    assert await eventually(lambda: clinic.shows(patient, booked["id"], **at_half_past), 5.0)
    await expect(phone.card(booked["id"])).to_have_attribute("data-start", clinic.at("10:30"))
    await expect(phone.messages.filter(has_text="10:30")).to_be_visible()


async def test_a_move_to_a_taken_closed_or_past_time_is_warned_of(
    clinic: Clinic, windows: Windows
) -> None:
    patient, there = clinic.patients[:2]
    booked = await clinic.book(patient, "16:00")
    await clinic.book(there, "09:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.drag(patient, quarters=8)
    await expect(desk.proposal).to_contain_text("Outside of the opening hours.")
    await desk.accept("Undo")
    await expect(desk.proposal).to_have_count(0)
    await desk.select(patient)
    move_to = desk.panel.get_by_label("Move to")
    for when, why in ((clinic.at("09:00", days=-1), "passed"), (clinic.at("09:00"), "else is")):
        await move_to.fill(when[:16])
        await desk.panel.get_by_role("button", name="Move", exact=True).click()
        await expect(desk.proposal).to_contain_text(why)
    await desk.page.keyboard.press("Escape")
    await expect(desk.proposal).to_have_count(0)
    assert (await row_of(clinic, booked["id"]))["start"] == clinic.at("16:00")


async def test_dragging_onto_a_taken_time_overbooks_only_on_purpose(
    clinic: Clinic, windows: Windows
) -> None:
    mover, there = clinic.patients[:2]
    booked = await clinic.book(mover, "09:00")
    await clinic.book(there, "10:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.drag(mover, quarters=4)
    await expect(desk.proposal).to_contain_text("Somebody else is there at this time.")
    await desk.accept("Undo")
    await expect(desk.event(mover)).to_contain_text("09:00")
    assert (await row_of(clinic, booked["id"]))["start"] == clinic.at("09:00")

    await desk.drag(mover, quarters=4)
    await desk.accept("Overbook")

    await expect(desk.event(mover)).to_contain_text("10:00")
    await expect(desk.page.locator(".is-overbooked")).to_have_count(1)
    row = await row_of(clinic, booked["id"])
    assert (row["start"], row["overbooked"]) == (clinic.at("10:00"), True)


async def test_a_visit_goes_from_arrived_to_completed_and_a_mistake_is_undone(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.visit(patient, "09:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.select(patient)
    status = desk.panel.locator("[data-status]")
    for button, then in (
        ("No-show", "no_show"),
        ("Undo", "confirmed"),
        ("Arrived", "arrived"),
        ("Check in", "checked_in"),
        ("Completed", "completed"),
    ):
        await desk.panel.get_by_role("button", name=button, exact=True).click()
        await expect(status).to_have_attribute("data-status", then)
    await desk.panel.get_by_text("History").click()
    await expect(desk.panel.locator(".history li")).to_have_count(6)
    assert await eventually(lambda: clinic.shows(patient, booked["id"], status="completed"), 5.0)


async def test_a_cancellation_has_a_reason_and_reaches_the_patient(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    booked = await clinic.book(patient, "09:00")
    phone = await windows.patient(clinic, patient)
    await phone.tab("My appointments")
    await expect(phone.card(booked["id"])).to_be_visible()
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.select(patient)
    await desk.panel.get_by_role("button", name="Cancel the appointment").click()
    await desk.panel.get_by_label("Reason").select_option("equipment")
    await desk.panel.get_by_role("button", name="Cancel it").click()

    await expect(desk.page.locator(".ec-event.is-cancelled")).to_contain_text(patient.name)
    await expect(desk.panel).to_contain_text("Equipment failed")
    await expect(phone.page.get_by_text("You have no appointments ahead.")).to_be_visible()
    cancelled = {"status": "cancelled", "cancel_reason": "equipment"}
    assert await eventually(lambda: clinic.shows(patient, booked["id"], **cancelled), 5.0)


async def test_new_hours_show_whom_they_affect_before_anything_is_saved(
    clinic: Clinic, windows: Windows
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    booked = await clinic.book(patient, "09:00")
    phone = await windows.patient(clinic, clinic.patients[1])
    await phone.look()
    await expect(phone.slot("12:00")).to_be_visible()
    before = (await clinic.api(dentist).get(f"/api/availability/{dentist.id}")).body
    desk = await windows.dentist(clinic, dentist)
    await desk.tab("Hours")
    day = booked["start"][:10]
    await desk.page.get_by_label("Day", exact=True).fill(day)
    await desk.button("Add the day").click()
    override = desk.page.locator(f'[data-override="{day}"]')
    await expect(override).to_contain_text("Closed")
    await desk.button("Check and save").click()

    affected = desk.page.get_by_role("dialog").locator(".affected li")
    await expect(affected).to_have_count(1)
    await expect(affected).to_contain_text(patient.name)
    now = (await clinic.api(dentist).get(f"/api/availability/{dentist.id}")).body
    assert now == before, "looking saves nothing"

    await desk.button("Save").click()

    await expect(desk.messages.filter(has_text="The new hours hold")).to_be_visible()
    await expect(phone.page.locator(".slot")).to_have_count(0)
    saved = (await clinic.api(dentist).get(f"/api/availability/{dentist.id}")).body
    assert saved["overrides"] == [{"date": day, "windows": []}]
    assert {**saved, "overrides": [], "version": 0} == {**before, "version": 0}
    assert (await row_of(clinic, booked["id"]))["status"] == "confirmed"
    await override.get_by_role("button", name="As usual").click()
    await desk.button("Check and save").click()
    await desk.button("Save").click()
    await expect(phone.slot("12:00")).to_be_visible()


async def test_weekly_hours_are_edited_and_mistakes_are_named(
    clinic: Clinic, windows: Windows
) -> None:
    dentist = clinic.dentists[0]
    desk = await windows.dentist(clinic, dentist)
    await desk.tab("Hours")
    await desk.page.get_by_label("Monday: to").fill("07:00")
    await expect(desk.page.get_by_role("alert")).to_have_text(
        "Hours must end later than they begin."
    )
    await expect(desk.button("Check and save")).to_be_disabled()
    await desk.page.get_by_label("Monday: to").fill("12:00")
    await desk.button("Monday: add hours").click()
    await desk.button("Check and save").click()
    await desk.button("Save").click()
    await expect(desk.messages.filter(has_text="The new hours hold")).to_be_visible()
    saved = (await clinic.api(dentist).get(f"/api/availability/{dentist.id}")).body
    monday = [rule for rule in saved["rules"] if rule["weekday"] == "monday"]
    assert [(rule["start"], rule["end"]) for rule in monday] == [
        ("08:00", "12:00"),
        ("13:00", "17:00"),
    ]


async def test_hours_changed_on_another_screen_are_taken_over_unless_one_is_editing(
    clinic: Clinic, windows: Windows
) -> None:
    dentist = clinic.dentists[0]
    desk = await windows.dentist(clinic, dentist)
    await desk.tab("Hours")
    step = desk.page.get_by_label("A start every … minutes")
    api = clinic.api(dentist)
    await api.put(f"/api/availability/{dentist.id}", schedule(slot_step_minutes=20))
    await expect(step).to_have_value("20")
    await expect(desk.button("Check and save")).to_be_disabled()

    await step.fill("30")
    await api.put(f"/api/availability/{dentist.id}", schedule(slot_step_minutes=10))

    await expect(desk.page.get_by_role("alert")).to_contain_text("changed on another screen")
    await expect(desk.button("Check and save")).to_be_disabled()
    await desk.button("Discard").click()
    await expect(step).to_have_value("10")


async def test_a_patients_new_telephone_number_appears_while_it_is_looked_at(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    await clinic.book(patient, "09:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.select(patient)
    await expect(desk.panel.get_by_text("+1 555 0100")).to_be_visible()
    phone = await windows.patient(clinic, patient)
    await phone.tab("Profile")
    await phone.page.get_by_label("Telephone").fill("+43 1 987 654")
    await phone.page.get_by_label("Name").fill("Renamed Person")
    await phone.button("Save").click()

    await expect(phone.page.get_by_text("Saved")).to_be_visible()
    await expect(desk.panel.get_by_role("link", name="+43 1 987 654")).to_be_visible()
    await expect(desk.panel.get_by_role("heading", name="Renamed Person")).to_be_visible()
    await expect(desk.page.locator(".ec-event", has_text="Renamed Person")).to_be_visible()


async def test_what_is_half_typed_stays_when_the_profile_changes_elsewhere(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    phone = await windows.patient(clinic, patient)
    await phone.tab("Profile")
    await phone.page.get_by_label("Telephone").fill("+43 1 987")
    renamed = await clinic.api(patient).put("/api/profiles/me", {"name": "Renamed Person"})
    assert renamed.status == 200
    await expect(phone.page.get_by_label("Name")).to_have_value("Renamed Person")
    await expect(phone.page.get_by_label("Telephone")).to_have_value("+43 1 987")


@pytest.fixture
def new_patient(clinic: Clinic) -> Person:
    """Not yet a patient of this dentist: found by their whole telephone number only."""
    return clinic.patients[7]


async def test_the_desk_books_for_a_patient_and_overbooks_on_purpose(
    clinic: Clinic, windows: Windows, new_patient: Person
) -> None:
    there = await clinic.book(clinic.patients[0], "11:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.button("New appointment").click()
    dialog = desk.page.get_by_role("dialog")
    await dialog.get_by_label("Start (UTC time)").fill(there["start"][:16])
    await dialog.get_by_label("Name, or whole telephone number or e-mail").fill("+1 555 0107")
    await dialog.locator(".chip", has_text=new_patient.name).click()
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text("This time is taken")
    await dialog.get_by_role("button", name="Overbook").click()
    await expect(dialog).to_have_count(0)
    await expect(desk.event(new_patient)).to_be_visible()
    await expect(desk.page.locator(".is-overbooked")).to_have_count(1)


async def test_a_new_appointment_begins_in_the_week_that_is_shown(
    clinic: Clinic, windows: Windows
) -> None:
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.button("Later week").click()
    await desk.button("New appointment").click()
    week_later = clinic.at("09:00", days=7)[:16]
    await expect(desk.page.get_by_label("Start (UTC time)")).to_have_value(week_later)


async def test_a_dialog_begins_with_its_title_and_gives_the_focus_back(
    clinic: Clinic, windows: Windows
) -> None:
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.button("New appointment").press("Enter")
    await expect(desk.page.get_by_role("heading", name="New appointment")).to_be_focused()
    await desk.page.keyboard.press("Escape")
    await expect(desk.page.get_by_role("dialog")).to_have_count(0)
    await expect(desk.button("New appointment")).to_be_focused()


async def test_a_new_patient_is_booked_by_a_click_on_a_free_time(
    clinic: Clinic, windows: Windows
) -> None:
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    column = desk.page.locator(".ec-body .ec-day").last
    await column.click(position={"x": 40, "y": 17 * 4 * 4 + 4})
    dialog = desk.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="New patient").click()
    await dialog.get_by_label("Name").fill("Greta Neu")
    await dialog.get_by_label("Telephone").fill("+43 1 5550")
    await dialog.get_by_role("button", name="Book", exact=True).click()
    await expect(desk.page.locator(".ec-event", has_text="Greta Neu")).to_be_visible()


async def test_the_day_list_is_made_for_paper(clinic: Clinic, windows: Windows) -> None:
    rows = [await clinic.book(clinic.patients[n], f"{9 + n:02}:00") for n in range(3)]
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.tab("Day list")
    await desk.page.get_by_label("Date").fill(rows[0]["start"][:10])
    lines = desk.page.locator("tbody tr")
    await expect(lines).to_have_count(3)
    await expect(lines.first).to_contain_text("09:00 – 09:30")
    await expect(lines.first).to_contain_text("+1 555 0100")
    await desk.page.emulate_media(media="print")
    await expect(desk.page.locator(".head")).to_be_hidden()
    await expect(desk.button("Print")).to_be_hidden()
    await expect(lines).to_have_count(3)
    await clinic.book(clinic.patients[3], "12:00")
    await expect(lines).to_have_count(4)


async def test_an_address_adds_nothing_to_a_message(clinic: Clinic, windows: Windows) -> None:
    patient = clinic.patients[0]
    odd = {"email": "a?bcc=x&body=y@example.org", "phone": "+43 (0)1 234-56 78"}
    assert (await clinic.api(patient).put("/api/profiles/me", odd)).status == 200
    await clinic.book(patient, "09:00")
    desk = await windows.dentist(clinic, clinic.dentists[0])
    await desk.turn()
    await desk.event(patient).click()
    mail = desk.panel.get_by_role("link", name=odd["email"])
    await expect(mail).to_have_attribute("href", "mailto:a%3Fbcc%3Dx%26body%3Dy@example.org")
    phone = desk.panel.get_by_role("link", name=odd["phone"])
    await expect(phone).to_have_attribute("href", "tel:+4312345678")


async def test_a_visit_that_moves_to_a_colleague_leaves_the_screen(
    clinic: Clinic, windows: Windows
) -> None:
    patient, (here, colleague) = clinic.patients[0], clinic.dentists[:2]
    booked = await clinic.book(patient, "15:00")
    left, came = [await windows.dentist(clinic, each) for each in (here, colleague)]
    for desk in (left, came):
        await desk.turn()
    await expect(left.event(patient)).to_have_count(1)
    await expect(came.event(patient)).to_have_count(0)
    path = f"/api/appointments/{booked['id']}"
    moved = await clinic.api(clinic.staff[0]).put(path, {"dentist_id": colleague.id})
    assert moved.status == 200, moved.body
    await expect(left.event(patient)).to_have_count(0)
    await expect(came.event(patient)).to_have_count(1)
    await expect(left.messages.filter(has_text="Moved to another dentist")).to_be_visible()
    await came.select(patient)
    await came.panel.get_by_text("History").click()
    await expect(came.panel.locator(".history li")).to_have_count(2)
    await expect(came.panel.get_by_text("came from another dentist")).to_be_visible()
