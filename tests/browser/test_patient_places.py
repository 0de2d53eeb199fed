"""The patient's page keeps its place, and loses neither a hold nor what was typed."""

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from tests.browser.windows import PHONE, Windows, signed_in
from tests.support.clinic import Clinic
from tests.support.tokens import token

TABLET = {"width": 1024, "height": 768}


async def test_links_reload_and_the_back_button_keep_the_place(
    clinic: Clinic, windows: Windows
) -> None:
    phone = await windows.patient(clinic, clinic.patients[0], viewport=PHONE)
    page = phone.page
    await phone.look()
    await page.get_by_label("cleaning").check()
    await page.get_by_label("Afternoon").check()
    await phone.tab("My appointments")
    assert page.url == f"{clinic.url}/patient/visits"

    await page.go_back()
    await expect(page.get_by_label("cleaning")).to_be_checked()
    await page.reload()

    await expect(page.get_by_label("cleaning")).to_be_checked()
    await expect(page.get_by_label("Afternoon")).to_be_checked()
    await expect(page.locator("#dentist")).to_have_value(clinic.dentists[0].id)
    await expect(page.locator(".day").nth(3)).to_have_attribute("aria-pressed", "true")
    answer = await clinic.api(None).get("/patient/nowhere")
    assert answer.status == 404


async def test_another_month_and_a_check_up_in_half_a_year_are_one_step_away(
    clinic: Clinic, windows: Windows
) -> None:
    phone = await windows.patient(clinic, clinic.patients[0], viewport=PHONE)
    page = phone.page
    await phone.button("In six months").click()
    ahead = datetime.now(UTC).date() + timedelta(days=170)
    assert (await page.locator(".day").first.get_attribute("data-date") or "") > f"{ahead}"
    await expect(page.locator(".slot").first).to_be_visible()
    await page.get_by_label("Month", exact=True).select_option(index=2)
    month = await page.get_by_label("Month", exact=True).input_value()
    await expect(page.locator(".day").first).to_have_attribute("data-date", month)
    await phone.button("Today").click()
    await expect(page.locator(".day").first).to_have_attribute(
        "data-date", f"{datetime.now(UTC).date()}"
    )


async def test_where_nothing_is_free_there_are_ways_on(clinic: Clinic, windows: Windows) -> None:
    phone = await windows.patient(clinic, clinic.patients[0])
    page = phone.page
    await phone.look()
    await page.get_by_label("Evening").check()
    # from 17:00 to 18:00 there is room for a check-up, and for surgery of 45 minutes, not after
    await expect(phone.slot("17:30")).to_be_visible()
    schedule = (
        await clinic.api(clinic.dentists[0]).get(f"/api/availability/{clinic.dentists[0].id}")
    ).body
    today = datetime.now(UTC).date()
    closed = [
        {"date": f"{today + timedelta(days)}", "windows": [{"start": "09:00", "end": "10:00"}]}
        for days in range(100)
    ]
    body = {
        name: value
        for name, value in schedule.items()
        if name in ("time_zone", "slot_step_minutes", "rules", "horizon_days")
    }
    saved = await clinic.api(clinic.dentists[0]).put(
        f"/api/availability/{clinic.dentists[0].id}", {**body, "overrides": closed}
    )
    assert saved.status == 200, saved.body

    await expect(page.get_by_text("Nothing is free in these days.")).to_be_visible()
    await phone.button("At any time of day").click()
    await expect(phone.slot("09:00")).to_be_visible()
    await page.get_by_label("Evening").check()
    await phone.button("First free time").click()

    await expect(page.locator(".slot").first).to_be_visible()
    day = await page.locator(".day[aria-pressed=true]").get_attribute("data-date")
    assert day == f"{today + timedelta(100)}"


async def test_a_move_has_a_way_back_and_may_change_the_dentist(
    clinic: Clinic, windows: Windows
) -> None:
    person, other = clinic.patients[0], clinic.dentists[2]
    booked = await clinic.book(person, "09:00")
    phone = await windows.patient(clinic, person, viewport=PHONE)
    await phone.tab("My appointments")
    await phone.card(booked["id"]).get_by_role("button", name="Move").click()
    await phone.button("← Keep the present time").click()
    await expect(phone.card(booked["id"])).to_be_visible()
    await phone.card(booked["id"]).get_by_role("button", name="Move").click()
    await phone.page.go_back()
    await expect(phone.card(booked["id"])).to_be_visible()
    await phone.page.go_forward()

    await phone.look(other)
    await phone.slot("16:00").click()
    await phone.button("Move it here").click()

    await expect(phone.card(booked["id"])).to_have_attribute("data-start", clinic.at("16:00"))
    moved = {"dentist_id": other.id, "start": clinic.at("16:00")}
    assert await clinic.shows(person, booked["id"], **moved)


async def test_a_tap_beside_the_sheet_keeps_the_hold_and_the_notes(
    clinic: Clinic, windows: Windows
) -> None:
    phone = await windows.patient(clinic, clinic.patients[0], viewport=PHONE)
    await phone.look()
    await phone.hold("10:00")
    await phone.page.get_by_label("Notes").fill("Coming with a small child")
    await phone.page.mouse.click(20, 20)
    await expect(phone.dialog).to_have_count(0)
    await expect(phone.page.get_by_text("is still kept for you")).to_be_visible()
    await phone.button("Go on").click()
    await expect(phone.page.get_by_label("Notes")).to_have_value("Coming with a small child")
    await phone.button("Give it back").click()

    await phone.hold("11:00")
    await expect(phone.page.get_by_label("Notes")).to_have_value("Coming with a small child")
    await phone.page.mouse.click(20, 20)
    await phone.hold("12:00")  # only one time is kept for a patient at once
    held = await clinic.api(clinic.patients[0]).get("/api/appointments", status="held")
    assert [row["start"] for row in held.body["data"]] == [clinic.at("12:00")]
    await phone.button("Confirm").click()
    await expect(phone.dialog.get_by_text("Your appointment is booked")).to_be_visible()


async def test_a_second_window_learns_that_the_first_has_booked(
    clinic: Clinic, windows: Windows
) -> None:
    person = clinic.patients[0]
    first = await windows.patient(clinic, person)
    await first.look()
    await first.hold("10:00")
    second = await windows.patient(clinic, person, viewport=PHONE)
    await second.button("Go on").click()
    await expect(second.countdown).to_be_visible()
    await first.button("Confirm").click()
    await expect(second.dialog.get_by_text("Your appointment is booked")).to_be_visible()
    await expect(second.countdown).to_have_count(0)


async def test_the_first_visit_asks_for_what_is_missing(clinic: Clinic, windows: Windows) -> None:
    newcomer = token("patient", "newcomer", ttl_s=86_400)
    page = await windows.open(signed_in(clinic.url, "patient", newcomer), viewport=PHONE)
    await page.locator(".day").nth(3).click()
    await page.locator(".slot").first.click()
    await page.get_by_label("Name").fill("Greta Neu")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "Please enter a telephone number or an e-mail address."
    )
    await page.get_by_label("Telephone").fill("+1 555 0177")
    await page.get_by_label("Date of birth").fill("1980-08-03")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_text("Your appointment is booked")).to_be_visible()
    me = (await clinic.with_token(newcomer).get("/api/profiles/me")).body
    known = {name: me[name] for name in ("name", "phone", "date_of_birth")}
    assert known == {"name": "Greta Neu", "phone": "+1 555 0177", "date_of_birth": "1980-08-03"}

    await page.get_by_role("button", name="My appointments").click()
    await page.locator(".tab").first.click()
    await page.locator(".day").nth(4).click()
    await page.locator(".slot").first.click()
    await expect(page.get_by_role("timer")).to_be_visible()
    await expect(page.get_by_label("Name")).to_have_count(0)


async def test_a_visit_that_the_practice_cancelled_comes_first(
    clinic: Clinic, windows: Windows
) -> None:
    person, dentist = clinic.patients[0], clinic.dentists[0]
    booked = await clinic.book(person, "09:00", kind="cleaning")
    own = await clinic.book(person, "15:00")
    phone = await windows.patient(clinic, person, viewport=PHONE)
    for who, visit, why in ((dentist, booked, "equipment"), (person, own, "other")):
        gone = await clinic.api(who).delete(f"/api/appointments/{visit['id']}", reason=why)
        assert gone.status == 204
    card = phone.page.get_by_role("region", name="The practice had to cancel")
    await expect(card).to_contain_text("A device that is needed does not work.")
    await expect(card).to_have_count(1)
    first = phone.page.locator("main > :first-child")
    await expect(first).to_have_attribute("data-id", booked["id"])
    await card.get_by_role("button", name="Find a new time").click()
    await expect(phone.page.get_by_label("cleaning")).to_be_checked()
    await expect(phone.page.get_by_text(re.compile("Instead of cleaning"))).to_be_visible()
    await phone.page.locator(".day").nth(3).click()
    await phone.book("11:00")
    await phone.button("My appointments").last.click()
    await expect(phone.page.locator(".appointment").first).to_be_visible()
    await expect(card).to_have_count(0)


async def test_a_device_clock_two_days_fast_hides_nothing_and_the_zone_is_remembered(
    clinic: Clinic, windows: Windows
) -> None:
    page = await windows.open("about:blank", viewport=TABLET, timezone_id="Europe/Vienna")
    await page.clock.install(time=datetime.now(UTC) + timedelta(days=2))
    await page.goto(signed_in(clinic.url, "patient", clinic.patients[0].token))
    await expect(page.locator(".day").first).to_have_attribute(
        "data-date", re.compile(f"{datetime.now(UTC):%Y-%m}")
    )
    await page.locator("#dentist").select_option(clinic.dentists[0].id)
    await page.locator(".day").nth(1).click()
    tomorrow = clinic.at("10:00", days=1)
    await expect(page.locator(f'.slot[data-start="{tomorrow}"]')).to_be_visible()
    await page.get_by_role("button", name="Show Vienna time").click()
    await page.reload()
    await expect(page.get_by_text("Times as where you are (Vienna).")).to_be_visible()
    heights = await page.locator(".tab").evaluate_all("tabs => tabs.map(tab => tab.offsetHeight)")
    assert max(heights) < 50, "no tab wraps"
