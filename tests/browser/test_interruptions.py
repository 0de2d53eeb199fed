"""What screens do when the network, the hub, a token or the time is not with them."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from playwright.async_api import expect

from actors.calendar.settings import ReservationSettings
from api.realtime.rooms.settings import RealtimeSettings
from tests.browser.windows import DentistScreen, Windows, signed_in
from tests.support.clinic import Clinic
from tests.support.eventually import eventually
from tests.support.logs import Logs
from tests.support.process import hub_process
from tests.support.proxy import network_to
from tests.support.running import Template, clinic_on
from tests.support.tokens import token


async def test_after_a_network_cut_the_screen_shows_what_it_missed(
    clinic: Clinic, windows: Windows
) -> None:
    gone = await clinic.book(clinic.patients[1], "15:00")
    async with network_to(clinic.url) as network:
        desk = await windows.dentist(clinic, clinic.dentists[0], url=network.url)
        await desk.turn()
        await expect(desk.event(clinic.patients[1])).to_be_visible()
        patient = await windows.patient(clinic, clinic.patients[2], url=network.url)
        await patient.look()
        network.down = True
        network.cut()
        await expect(desk.banner).to_be_visible()
        await expect(patient.banner).to_be_visible()

        await clinic.book(clinic.patients[0], "09:00")
        await clinic.api(clinic.patients[1]).delete(f"/api/appointments/{gone['id']}")
        network.down = False

        await expect(desk.event(clinic.patients[0])).to_be_visible()
        await expect(desk.page.locator(".ec-event.is-cancelled")).to_have_count(1)
        await expect(desk.banner).to_have_count(0)
        await expect(patient.slot("09:00")).to_have_count(0)
        await expect(patient.slot("15:00")).to_be_visible()
        for screen in (desk, patient):
            await screen.page.context.close()


async def test_a_change_made_offline_is_rolled_back_with_a_message(
    clinic: Clinic, windows: Windows
) -> None:
    row = await clinic.book(clinic.patients[0], "09:00")
    async with network_to(clinic.url) as network:
        desk = await windows.dentist(clinic, clinic.dentists[0], url=network.url)
        await desk.turn()
        await desk.select(clinic.patients[0])
        network.down = True
        network.cut()
        await desk.panel.get_by_label("Move to").fill(row["start"][:11] + "11:00")
        await desk.panel.get_by_role("button", name="Move", exact=True).click()
        await desk.accept()
        await expect(desk.event(clinic.patients[0]).first).to_contain_text("11:00")  # at once
        await expect(desk.proposal.get_by_role("alert")).to_contain_text("No connection. Please")
        await desk.accept("Undo")
        await expect(desk.event(clinic.patients[0])).to_contain_text("09:00")  # rolled back
        await desk.page.context.close()


async def test_a_killed_and_restarted_hub_finds_its_screens_again(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    database = template.copy_to(tmp_path)
    async with (
        hub_process(database, tmp_path) as hub,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as opened,
    ):
        clinic = Clinic(hub.url, template.people, session, opened, database)
        desk = await windows.dentist(clinic, clinic.dentists[0])
        await desk.turn()
        patient = await windows.patient(clinic, clinic.patients[0])
        await patient.look()
        await patient.hold("10:00")
        await expect(desk.page.locator(".ec-event.is-held")).to_be_visible()
        await hub.kill()
        await expect(desk.banner).to_be_visible()

        await hub.start()
        await clinic.book(clinic.patients[1], "12:00")

        await expect(desk.event(clinic.patients[1])).to_be_visible()
        await patient.button("Confirm").click()  # the hold outlived the hub
        await expect(patient.dialog.get_by_text("Your appointment is booked")).to_be_visible()
        await expect(desk.event(clinic.patients[0])).to_be_visible()
        await expect(desk.banner).to_have_count(0)


async def test_a_token_is_renewed_in_place_before_it_runs_out(
    template: Template, windows: Windows, tmp_path: Path, logs: Logs
) -> None:
    stale_tokens: list[str | None] = []

    def host(stale: str | None) -> str:
        stale_tokens.append(stale)
        return token("dentist", "dentist-0", ttl_s=3.0, number=len(stale_tokens))

    async with clinic_on(
        template, tmp_path, realtime=RealtimeSettings(expiring_notice_s=1.5)
    ) as clinic:
        page = await windows.open(f"{clinic.url}/dentist", host=host)
        desk = DentistScreen(page, clinic)
        await desk.online()
        await desk.turn()
        assert await eventually(lambda: len(stale_tokens) >= 4, 15), stale_tokens
        assert stale_tokens[0] is None
        assert None not in stale_tokens[1:], "later it is told which one is no longer good"

        await clinic.book(clinic.patients[0], "09:00")

        await expect(desk.event(clinic.patients[0])).to_be_visible()
        await expect(desk.banner).to_have_count(0)
        assert len(logs.lines("socket_connected")) == 1, "nothing was interrupted"


async def test_without_a_new_token_the_user_signs_in_again(
    clinic: Clinic, windows: Windows
) -> None:
    dentist = clinic.dentists[0]
    page = await windows.open(
        signed_in(clinic.url, "dentist", token("dentist", "dentist-0", ttl_s=2.5))
    )
    await expect(page.locator("[data-connection=online]")).to_be_attached()
    await expect(page.get_by_role("alert")).to_have_text(
        "Your sign-in has run out. Open the page from your application again."
    )
    await page.evaluate(f"location.hash = {json.dumps('token=' + dentist.token)}")
    await expect(page.locator("[data-connection=online]")).to_be_attached()
    assert "token" not in page.url


async def test_an_expired_hold_is_reported_and_its_time_offered_again(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    holding = ReservationSettings(hold_seconds=3.0)
    async with clinic_on(template, tmp_path, reservations=holding) as clinic:
        first, second = [await windows.patient(clinic, who) for who in clinic.patients[:2]]
        for screen in (first, second):
            await screen.look()
        await first.hold("10:00")
        await expect(second.slot("10:00")).to_have_count(0)
        assert int(await first.countdown.get_attribute("data-seconds") or "") <= 3

        await expect(first.dialog).to_contain_text("You did not confirm in time")
        await expect(second.slot("10:00")).to_be_visible()
        await first.button("Try this time again").click()
        await expect(first.countdown).to_be_visible()
        await first.button("Confirm").click()
        await expect(first.dialog).to_contain_text("Your appointment is booked")
        await expect(second.slot("10:00")).to_have_count(0)
