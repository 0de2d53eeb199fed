"""People sign in at the hub with passkeys, in a browser with a virtual authenticator."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from api.http.settings import ServerSettings
from tests.browser.windows import Windows
from tests.support.ports import free_port
from tests.support.running import Template
from tests.support.sign_in import SignInWorld, sign_in_world


@pytest_asyncio.fixture(loop_scope="session")
async def world(template: Template, tmp_path: Path) -> AsyncIterator[SignInWorld]:
    port = free_port()
    public = ServerSettings(public_url=f"http://localhost:{port}")
    async with sign_in_world(template, tmp_path, port=port, server=public) as world:
        yield world


async def with_authenticator(page: Page) -> None:
    """A device that verifies its user, as a fingerprint reader does."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def invited(world: SignInWorld) -> str:
    """The link for the first dentist."""
    body = {"profile_id": world.clinic.dentists[0].id}
    made = await world.clinic.admin.post("/api/invitations", body)
    url: str = made.body["url"]
    return url


async def test_an_invitation_leads_to_the_calendar(world: SignInWorld, windows: Windows) -> None:
    page = await windows.open(await invited(world))
    await with_authenticator(page)
    await expect(page.get_by_role("heading", name="You are invited")).to_be_visible()
    assert "invitation" not in page.url
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.locator(".ec-time-grid")).to_be_visible()
    assert page.url.endswith("/dentist")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.locator(".ec-time-grid")).to_be_visible()


async def test_a_page_without_a_session_leads_to_the_sign_in(
    world: SignInWorld, windows: Windows
) -> None:
    address = await invited(world)
    page = await windows.open(f"{address.partition('/sign-in')[0]}/dentist")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.url.endswith("/sign-in?next=%2Fdentist")


async def test_a_link_leads_to_no_other_site(world: SignInWorld, windows: Windows) -> None:
    before, _, invitation = (await invited(world)).partition("#")
    page = await windows.open(f"{before}?next=https://evil.example/#{invitation}")
    await with_authenticator(page)
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page).to_have_url(re.compile("^http://localhost:[0-9]+/dentist$"))


async def test_a_second_tab_and_a_reload_stay_signed_in(
    world: SignInWorld, windows: Windows
) -> None:
    page = await windows.open(await invited(world))
    await with_authenticator(page)
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.locator(".ec-time-grid")).to_be_visible()
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator(".ec-time-grid")).to_be_visible()
    await page.reload()
    await expect(page.locator(".ec-time-grid")).to_be_visible()


async def test_a_link_with_a_token_signs_nobody_in(world: SignInWorld, windows: Windows) -> None:
    """Else a link could make people enter their data as somebody else."""
    before = (await invited(world)).partition("/sign-in")[0]
    page = await windows.open(f"{before}/dentist#token={world.clinic.dentists[0].token}")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_used_invitation_is_explained(world: SignInWorld, windows: Windows) -> None:
    address = await invited(world)
    await invited(world)  # replaces it
    page = await windows.open(address)
    await with_authenticator(page)
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("has been used or has ended")
