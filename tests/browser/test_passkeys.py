"""People sign in at the hub with passkeys, in a browser with a virtual authenticator."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from playwright.async_api import CDPSession, Page, expect

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


@dataclass(frozen=True)
class Device:
    session: CDPSession
    id: str


async def with_authenticator(page: Page, lost: Device | None = None) -> Device:
    """A device that verifies its user, as a fingerprint reader does; ``lost`` is one before it."""
    session = lost.session if lost else await page.context.new_cdp_session(page)
    if lost:
        gone = {"authenticatorId": lost.id}
        await session.send("WebAuthn.removeVirtualAuthenticator", gone)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(session=session, id=made["authenticatorId"])


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
    await page.wait_for_url("**/sign-in*")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_used_invitation_is_explained(world: SignInWorld, windows: Windows) -> None:
    address = await invited(world)
    await invited(world)  # replaces it
    page = await windows.open(address)
    await with_authenticator(page)
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("has been used or has ended")


async def test_a_lost_device_is_replaced_by_another(world: SignInWorld, windows: Windows) -> None:
    page = await windows.open(await invited(world))
    first = await with_authenticator(page)
    await page.get_by_role("button", name="Create a passkey").click()
    await expect(page.locator(".ec-time-grid")).to_be_visible()
    await page.reload()  # the page still knows where its person has signed in
    await page.get_by_role("link", name="Passkeys").click()
    await expect(page.get_by_role("listitem")).to_have_count(1)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Remove").click()
    await expect(page.get_by_role("alert")).to_contain_text("only way in")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_role("alert")).to_contain_text("may have one already")
    await with_authenticator(page, lost=first)
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await page.get_by_role("listitem").first.get_by_role("button", name="Remove").click()
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await page.goto(page.url.replace("/passkeys", "/dentist"))
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.locator(".ec-time-grid")).to_be_visible()
