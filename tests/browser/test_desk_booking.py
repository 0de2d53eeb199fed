"""A call at the front desk: finding the patient, booking, and what must not go wrong."""

import re
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.browser.windows import FrontDeskScreen, Windows
from tests.support.clinic import Clinic
from tests.support.eventually import eventually


class Actions:
    """An action is a shortcut, or the text typed into one field."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.count = 0
        self.seconds = 0.0
        """At five keys a second and half a second an action."""

    async def type(self, text: str) -> None:
        await self._page.keyboard.type(text)
        self._done(len(text))

    async def press(self, key: str) -> None:
        await self._page.keyboard.press(key)
        self._done(1)

    def _done(self, keys: int) -> None:
        self.count += 1
        self.seconds += 0.5 + keys / 5


async def visits_of(clinic: Clinic, patient_id: str) -> list[dict[str, Any]]:
    answer = await clinic.api(clinic.staff[0]).get("/api/appointments", patient_id=patient_id)
    rows: list[dict[str, Any]] = answer.body["data"]
    return rows


async def named(clinic: Clinic, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        await clinic.api(clinic.staff[0]).get("/api/patients", q=name)
    ).body["data"]
    return rows


async def test_a_known_patient_is_booked_with_four_actions_by_keyboard(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[7]
    desk = await windows.desk(clinic, clinic.staff[0])
    await expect(desk.search).to_be_focused()
    actions = Actions(desk.page)
    await actions.type("0107")  # the end of the telephone number
    await actions.press("Enter")
    await expect(desk.page.get_by_label("Type of visit")).to_be_focused()
    await actions.press("s")  # surgery
    await expect(desk.free.first).to_be_visible()
    await actions.press("Enter")
    await expect(desk.messages.filter(has_text=f"Booked: {patient.name}")).to_be_visible()
    await expect(desk.search).to_be_focused()
    assert (actions.count, actions.seconds < 15) == (4, True), actions.seconds
    (visit,) = await visits_of(clinic, patient.id)
    assert visit["appointment_type_id"] == clinic.types["surgery"]
    await desk.messages.get_by_role("button", name="Undo").click()

    async def is_gone() -> bool:
        (row,) = await visits_of(clinic, patient.id)
        return bool(row["status"] == "cancelled")

    assert await eventually(is_gone, 5.0)


async def test_a_new_patient_is_entered_and_booked_within_seven_actions(
    clinic: Clinic, windows: Windows
) -> None:
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.search.blur()
    actions = Actions(desk.page)
    await actions.press("/")
    await expect(desk.search).to_be_focused()
    await expect(desk.search).to_have_value("")
    await actions.type("Greta Neu")
    await actions.press("Enter")
    await expect(desk.page.get_by_label("Telephone")).to_be_focused()
    await actions.type("+43 1 5550123")
    await expect(desk.free.first).to_be_visible()
    await actions.press("Enter")
    await expect(desk.messages.filter(has_text="Booked: Greta Neu")).to_be_visible()
    assert actions.count <= 7
    (greta,) = await named(clinic, "Greta Neu")
    assert greta["phone"] == "+43 1 5550123"
    assert len(await visits_of(clinic, greta["id"])) == 1


async def _enter_greta(desk: FrontDeskScreen, phone: str) -> None:
    await desk.search.fill("Greta Neu")
    await desk.search.press("Enter")
    await desk.page.get_by_label("Telephone").fill(phone)
    await expect(desk.free.first).to_be_visible()


async def test_a_new_patient_is_created_once_whatever_happens_to_the_booking(
    clinic: Clinic, windows: Windows
) -> None:
    desk = await windows.desk(clinic, clinic.staff[0])
    await _enter_greta(desk, "+43 1 5550123")

    async def refuse(route: Route) -> None:
        body = {"error": {"code": "SLOT_TAKEN", "message": "", "details": []}}
        if route.request.method == "POST":
            await route.fulfill(status=409, json=body)
        else:
            await route.continue_()

    bookings = re.compile(r"/api/appointments$")
    await desk.page.route(bookings, refuse)
    await desk.button("Book").click()
    await expect(desk.panel.get_by_role("alert")).to_contain_text("has just been taken")
    await desk.page.unroute(bookings)
    await desk.button("Book").click()
    await expect(desk.messages.filter(has_text="Booked: Greta Neu")).to_be_visible()
    (greta,) = await named(clinic, "Greta Neu")
    assert len(await visits_of(clinic, greta["id"])) == 1


async def test_someone_who_is_known_already_is_shown_before_anything_is_created(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[3]
    desk = await windows.desk(clinic, clinic.staff[0])
    await _enter_greta(desk, "+1 555 0103")
    await expect(desk.button("Book")).to_be_disabled()
    await desk.panel.get_by_role("button", name=patient.name).click()
    await expect(desk.panel.get_by_role("heading", name=patient.name)).to_be_visible()
    assert await named(clinic, "Greta Neu") == []


async def test_a_click_on_a_gap_books_there_and_warns_of_closed_time(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[2]
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.turn()
    column = desk.page.locator(".ec-body .ec-day").first
    box = await column.bounding_box()
    assert box is not None
    await desk.page.mouse.click(box["x"] + 40, box["y"] + 20 * 8 + 4)  # two hours after 08:00
    await expect(desk.panel).to_contain_text("10:00")
    await desk.page.keyboard.type(patient.name)
    await desk.page.keyboard.press("Enter")
    await expect(desk.free.first).to_contain_text("10:00")
    await desk.button("Book").click()
    await expect(desk.column(clinic.dentists[0]).filter(has_text=patient.name)).to_be_visible()
    (visit,) = await visits_of(clinic, patient.id)
    assert visit["start"] == clinic.at("10:00")


async def test_a_record_shows_visits_and_its_changes_are_undone(
    clinic: Clinic, windows: Windows
) -> None:
    patient = clinic.patients[1]
    await clinic.book(patient, "15:00")
    desk = await windows.desk(clinic, clinic.staff[0])
    await desk.search.fill(patient.name)
    await desk.search.press("Enter")
    await expect(desk.panel.locator(".visit-line")).to_contain_text("15:00")
    await desk.button("Edit").click()
    await expect(desk.page.get_by_label("Name", exact=True)).to_be_focused()
    await desk.page.get_by_label("Telephone").fill("+43 1 987")
    await desk.page.get_by_label("Remark").fill("Afraid of needles")
    await desk.button("Save").click()
    await expect(desk.panel.locator(".notes")).to_have_text("Afraid of needles")
    await expect(desk.panel.get_by_role("link", name="+43 1 987")).to_be_visible()
    await desk.page.keyboard.press("Escape")
    await expect(desk.beside("Today")).to_be_visible()
    await expect(desk.search).to_be_focused()
    await desk.search.blur()  # in a field, the keys undo what was typed
    for _ in range(2):  # the remark, then the telephone number
        await desk.page.keyboard.press("Control+z")
    await expect(desk.messages.filter(has_text="Undone").first).to_be_visible()

    async def is_as_before() -> bool:
        remark = (
            await clinic.api(clinic.staff[0]).get(
                f"/api/practices/{clinic.practices[0]}/patients/{patient.id}"
            )
        ).body["remark"]
        now = (await clinic.api(clinic.staff[0]).get(f"/api/profiles/{patient.id}")).body
        return (remark, now["phone"]) == (None, "+1 555 0101")

    assert await eventually(is_as_before, 5.0)
