"""Patients sign in with a code that is sent by mail, and register with one."""

import email
import re
from email.policy import default
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from actors.services.sign_in_settings import SignInSettings
from api.http.settings import ServerSettings
from hub.messages.settings import MailSettings, MessageSettings
from tests.browser.windows import Windows
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.running import Template
from tests.support.sign_in import sign_in_world


def sent(folder: Path) -> str:
    """The text of the only mail."""
    (file,) = folder.glob("*.eml")
    mail = email.message_from_bytes(file.read_bytes(), policy=default)
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_a_patient_signs_in_with_a_code(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    port, folder = free_port(), tmp_path / "mail"
    folder.mkdir()
    sections: dict[str, Any] = {
        "server": ServerSettings(public_url=f"http://localhost:{port}"),
        "sign_in": SignInSettings(enabled=True, email_codes=True, registration=True),
        "messages": MessageSettings(enabled=True),
        "mail": MailSettings(folder=str(folder), sender="hub@example.org"),
    }
    async with sign_in_world(template, tmp_path, port=port, **sections) as world:
        await world.signed_in(world.clinic.patients[0])  # has an account
        page = await windows.open(f"http://localhost:{port}/patient")
        await page.get_by_label(re.compile("Your address")).fill("patient-0@example.org")
        await page.get_by_role("button", name="Send a code").click()
        await expect(page.get_by_role("status")).to_contain_text("a code is on its way")
        await eventually(lambda: len(list(folder.glob("*.eml"))) == 1, 5.0)
        found = re.search(r"\b[0-9]{6}\b", sent(folder))
        assert found
        wrong = f"{(int(found[0]) + 1) % 1_000_000:06}"
        await page.get_by_label("Code of six digits").fill(wrong)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("The code is wrong")
        await page.get_by_label("Code of six digits").fill(found[0])
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("heading", name="Find a time")).to_be_visible()
        assert page.url.endswith("/patient")
        for file in folder.glob("*.eml"):
            file.unlink()
        await _registers(windows, folder, port)


async def _registers(windows: Windows, folder: Path, port: int) -> None:
    """In another browser, at the same hub."""
    page = await windows.open(f"http://localhost:{port}/patient")
    await page.get_by_role("button", name="Register as a new patient").click()
    await page.get_by_label("Your name").fill("Eva Example")
    await page.get_by_label("E-mail", exact=True).fill("eva@example.org")
    await page.get_by_label("Telephone").fill("call me")
    await page.get_by_label("Date of birth").fill("1985-04-12")
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("check the telephone number")
    await page.get_by_label("Telephone").fill("+43 1 2345678")
    await page.get_by_role("button", name="Register", exact=True).click()
    await expect(page.get_by_role("status")).to_contain_text("on its way")
    await eventually(lambda: len(list(folder.glob("*.eml"))) == 1, 5.0)
    found = re.search(r"\b[0-9]{6}\b", sent(folder))
    assert found
    await page.get_by_label("Code of six digits").fill(found[0])
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("heading", name="Find a time")).to_be_visible()
    assert page.url.endswith("/patient")
