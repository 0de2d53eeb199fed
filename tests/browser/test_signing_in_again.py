"""A session that has ended comes back in another window, and a half-typed form stays."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from actors.services.sign_in_settings import SignInSettings
from api.http.settings import ServerSettings
from hub.messages.settings import MailSettings, MessageSettings
from tests.browser.test_mail_codes import sent
from tests.browser.windows import Windows
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running import Template
from tests.support.sign_in import COOKIE, sign_in_world


async def test_an_ended_session_comes_back_without_losing_what_was_typed(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    port, folder = free_port(), tmp_path / "mail"
    folder.mkdir()
    url = f"http://localhost:{port}"
    sections: dict[str, Any] = {
        "server": ServerSettings(public_url=url),
        "sign_in": SignInSettings(enabled=True, email_codes=True),
        "messages": MessageSettings(enabled=True),
        "mail": MailSettings(folder=str(folder), sender="hub@example.org"),
    }
    async with sign_in_world(template, tmp_path, port=port, **sections) as world:
        patient = world.clinic.patients[0]
        browser = await world.signed_in(patient)
        page = await windows.open(f"{url}/sign-in")
        await page.context.add_cookies(
            [{"name": COOKIE, "value": browser.cookies[COOKIE], "url": url}]
        )
        await page.goto(f"{url}/patient/profile")
        name = page.get_by_label("Name", exact=True)
        await expect(name).to_have_value(patient.name)
        await name.fill("Half-typ")
        ended = await world.clinic.admin.delete(f"/api/profiles/{patient.id}/sessions")
        assert ended.status == 204
        again = page.get_by_role("dialog", name="Please sign in again")
        await expect(again).to_be_visible()
        async with page.expect_popup() as opening:
            await again.get_by_role("button", name="Sign in again").click()
        window = await opening.value
        await window.get_by_label(re.compile("Your address")).fill("patient-0@example.org")
        await window.get_by_role("button", name="Send a code").click()
        await eventually(lambda: len(list(folder.glob("*.eml"))) == 1, 5.0)
        found = re.search(r"\b[0-9]{6}\b", sent(folder))
        assert found
        await window.get_by_label("Code of six digits").fill(found[0])
        await window.get_by_role("button", name="Sign in", exact=True).click()
        await expect(again).to_have_count(0)
        await expect(page.locator("[data-connection=online]")).to_be_attached()
        await expect(name).to_have_value("Half-typ")
        await name.fill("Typed To The End")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator(".who")).to_have_text("Typed To The End")
