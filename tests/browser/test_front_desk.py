"""What the front desk does: the practice's day, and moves that are proposed and undone."""

from pathlib import Path

from playwright.async_api import expect

from tests.browser.windows import Windows
from tests.support.clinic import Clinic
from tests.support.eventually import eventually
from tests.support.mail_server import ENABLED, mail_server
from tests.support.running import Template, clinic_on


async def test_a_column_for_each_dentist_shows_changes_of_others_at_once(
    clinic: Clinic, windows: Windows
) -> None:
    here, colleague = clinic.dentists[:2]
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.turn()
    await expect(desk.page.locator(".column-name")).to_have_text([here.name, colleague.name])
    booked = await clinic.book(clinic.patients[0], "15:00")
    held = {**clinic.slot(dentist=colleague), "start": clinic.at("16:00")}
    assert (await clinic.api(clinic.patients[1]).post("/api/reservations", held)).status == 201

    await expect(desk.column(here).filter(has_text=clinic.patients[0].name)).to_be_visible()
    await expect(desk.column(colleague).filter(has_text="Being booked")).to_be_visible()

    path = f"/api/appointments/{booked['id']}"
    move = {"dentist_id": colleague.id}
    assert (await clinic.api(clinic.staff[0]).put(path, move)).status == 200
    await expect(desk.column(colleague).filter(has_text=clinic.patients[0].name)).to_be_visible()
    await expect(desk.column(here)).to_have_count(0)


async def test_a_drag_to_a_colleague_is_a_proposal_and_is_undone_by_a_key(
    clinic: Clinic, windows: Windows
) -> None:
    here, colleague = clinic.dentists[:2]
    patient = clinic.patients[0]
    booked = await clinic.book(patient, "15:00")
    was = {"start": clinic.at("15:00"), "dentist_id": here.id}
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.turn()
    await desk.drag_aside(patient, quarters=4)
    await expect(desk.proposal).to_contain_text(f"16:00, {colleague.name}?")
    await expect(desk.button("Move")).to_be_focused()
    assert await clinic.shows(clinic.staff[0], booked["id"], **was), "nothing is committed"
    await desk.page.keyboard.press("Escape")
    await expect(desk.proposal).to_have_count(0)
    await expect(desk.column(here)).to_contain_text("15:00")

    await desk.drag_aside(patient, quarters=4)
    await expect(desk.button("Move")).to_be_focused()
    await desk.page.keyboard.press("Enter")

    await expect(desk.column(colleague)).to_contain_text("16:00")
    now = {"start": clinic.at("16:00"), "dentist_id": colleague.id}
    assert await eventually(lambda: clinic.shows(clinic.staff[0], booked["id"], **now), 5.0)
    await desk.page.keyboard.press("Control+z")
    await expect(desk.column(here)).to_contain_text("15:00")
    assert await eventually(lambda: clinic.shows(clinic.staff[0], booked["id"], **was), 5.0)


async def test_a_move_into_closed_time_is_warned_about_and_marked(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[0]
    await clinic.book(patient, "15:00")
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.turn()
    await desk.select(patient)
    await desk.panel.get_by_label("Move to").fill(f"{clinic.at('19:00')[:16]}")
    await desk.panel.get_by_role("button", name="Move").click()
    await expect(desk.proposal).to_contain_text("Outside of the opening hours")
    await desk.proposal.get_by_role("button", name="Move").click()
    await expect(desk.page.locator(".ec-event.is-outside")).to_contain_text("19:00")


async def test_a_status_is_undone_from_the_message(clinic: Clinic, windows: Windows) -> None:
    patient = clinic.patients[0]
    booked = await clinic.visit(patient, "09:00")
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.select(patient)
    await desk.panel.get_by_role("button", name="Arrived").press("Enter")
    await expect(desk.panel.get_by_role("button", name="Check in")).to_be_focused()
    await desk.messages.get_by_role("button", name="Undo").click()
    await expect(desk.messages.filter(has_text="Undone")).to_be_visible()
    confirmed = {"status": "confirmed"}
    assert await eventually(lambda: clinic.shows(patient, booked["id"], **confirmed), 5.0)
    await desk.page.keyboard.press("Escape")
    await expect(desk.beside("Today")).to_be_visible()
    await expect(desk.event(patient)).to_be_focused()
    await desk.page.keyboard.press("Escape")
    await expect(desk.panel).to_have_count(0)


async def test_today_shows_who_waits_and_what_can_be_filled_again(
    clinic: Clinic, windows: Windows
) -> None:
    waiting, gone = clinic.patients[:2]
    visit = await clinic.visit(waiting, "09:00")
    cancelled = await clinic.book(gone, "15:00")
    desk = await windows.desk(clinic, clinic.staff[0])
    today = desk.beside("Today")
    await expect(today).to_contain_text("Nobody is waiting.")
    staff = clinic.api(clinic.staff[0])
    assert (
        await staff.put(f"/api/appointments/{visit['id']}", {"status": "arrived"})
    ).status == 200
    assert (await staff.delete(f"/api/appointments/{cancelled['id']}")).status == 204

    here = today.get_by_role("button", name=waiting.name)
    await expect(here).to_contain_text("0 min")
    await expect(here).to_contain_text("arrived")
    await expect(desk.button("Waiting room 1")).to_be_visible()
    await today.get_by_role("button", name=gone.name).click()
    await expect(desk.beside("New appointment")).to_contain_text("15:00")
    await clinic.book(clinic.patients[2], "15:00")
    await desk.page.keyboard.press("Escape")
    await expect(here).to_be_visible()
    await expect(today.get_by_role("button", name=gone.name)).to_have_count(0)


async def test_a_visit_shows_what_became_of_its_messages(
    template: Template, tmp_path: Path, windows: Windows
) -> None:
    async with (
        mail_server() as server,
        clinic_on(template, tmp_path, messages=ENABLED, mail=server.settings()) as clinic,
    ):
        patient, address = clinic.patients[0], "patient-0@example.org"
        server.refused[address] = "550 no such mailbox"
        await clinic.book(patient, "15:00")
        desk = await windows.desk(clinic, clinic.staff[0])
        await desk.turn()
        await desk.select(patient)
        messages = desk.panel.locator(".messages")
        await expect(messages).to_contain_text("Confirmation: not sent: the address does not exist")
        await expect(messages).to_contain_text("Please call the patient.")

        server.refused.clear()
        await messages.get_by_role("button", name="Send again").click()
        await expect(messages.locator("li").first).to_contain_text("accepted by the mail server")
        await expect(messages.get_by_role("button")).to_have_count(0)

        await desk.panel.get_by_role("button", name="Cancel the appointment").click()
        await expect(desk.panel).to_contain_text("Whether the patient of 15:00 gets a message")
