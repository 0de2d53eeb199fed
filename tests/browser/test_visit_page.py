"""The page of a link to a visit: on a telephone, without signing in."""

import email
import re
from email.policy import default
from pathlib import Path

from playwright.async_api import Page, expect

from api.http.settings import ServerSettings
from hub.messages.settings import MailSettings, MessageSettings
from tests.browser.windows import PHONE, Windows
from tests.support.clinic import Clinic
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running import Template, clinic_on
from tools.chromium import ROOT

AXE = ROOT / "web/node_modules/axe-core/axe.min.js"


def sent(folder: Path) -> str:
    """The text of the only mail."""
    (file,) = folder.glob("*.eml")
    body = email.message_from_bytes(file.read_bytes(), policy=default).get_body(("plain",))
    return str(body and body.get_content())


async def link(folder: Path) -> str:
    await eventually(lambda: len(list(folder.glob("*.eml"))) == 1, 10.0)
    found = re.search(r"http://localhost:\d+/visit#\S{43}", sent(folder))
    assert found
    return found[0]


async def test_a_patient_confirms_moves_and_cancels(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    port, folder = free_port(), tmp_path / "mail"
    folder.mkdir()
    async with clinic_on(
        template,
        tmp_path,
        overrides={"port": port},
        server=ServerSettings(public_url=f"http://localhost:{port}"),
        messages=MessageSettings(enabled=True),
        mail=MailSettings(folder=str(folder), sender="desk@example.org"),
    ) as clinic:
        visit = await clinic.book(clinic.patients[0], "09:00")
        page = await windows.open(await link(folder), viewport=PHONE)
        state = page.get_by_role("status")
        await expect(state).to_have_text("Please tell us whether you will come.")
        assert page.url.endswith("/visit"), "the token is not in the address any more"
        assert (await now(clinic, visit["id"]))["version"] == visit["version"]
        await accessible(page)

        await page.get_by_role("button", name="I will come").click()
        await expect(state).to_have_text("You have confirmed this appointment.")
        await page.reload()
        await expect(state).to_have_text("You have confirmed this appointment.")
        assert (await now(clinic, visit["id"]))["patient_confirmed_at"] is not None

        await page.get_by_role("button", name="Move").click()
        await expect(page.get_by_role("heading", name="Move")).to_be_focused()
        await accessible(page)
        await page.get_by_role("radio", name="11:45").first.check()
        await page.get_by_role("button", name="Move to this time").click()
        await expect(state).to_have_text("The appointment is moved.")
        await expect(page.locator("dd", has_text="11:45")).to_be_visible()
        await expect(page.get_by_role("button", name="I will come")).to_be_visible()

        async with page.expect_download() as download:
            await page.get_by_role("button", name="Add to calendar").click()
        assert (await download.value).suggested_filename == "appointment.ics"

        await page.get_by_role("button", name="Cancel the appointment").click()
        await page.get_by_label("Reason").select_option("I am ill")
        await accessible(page)
        await page.get_by_role("button", name="Cancel the appointment").click()
        await expect(state).to_have_text("This appointment is cancelled.")
        await expect(page.get_by_role("button", name="Remove from calendar")).to_be_visible()
        found = await now(clinic, visit["id"])
        assert (found["status"], found["cancel_reason"]) == ("cancelled", "patient_ill")

        wrong = await windows.open(f"http://localhost:{port}/visit#{'A' * 43}", locale="de-AT")
        await expect(wrong.get_by_role("alert")).to_contain_text("gilt nicht mehr")
        await windows.check()


async def now(clinic: Clinic, visit: str) -> dict[str, object]:
    found: dict[str, object] = (
        await clinic.api(clinic.staff[0]).get(f"/api/appointments/{visit}")
    ).body
    return found


async def accessible(page: Page) -> None:
    """Without serious findings, and without a horizontal scroll bar."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    results = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [each["id"] for each in results["violations"]] == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
