"""A person signs in at a real identity provider, which the test starts."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from api.http.settings import ServerSettings
from api.sign_in.openid_settings import OpenIdSettings
from tests.browser.windows import Windows
from tests.support.node import program
from tests.support.ports import free_port
from tests.support.running import Template
from tests.support.sign_in import sign_in_world

SECRET = "of the client, which is the hub"


async def sign_in_there(page: Page) -> None:
    """At the provider's own pages."""
    await page.get_by_placeholder("Enter any login").fill("ida")
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def test_an_invited_patient_signs_in_at_the_provider(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    port, provider_port = free_port(), free_port()
    public = f"http://localhost:{port}"
    client = {
        "client_id": "chairside",
        "client_secret": SECRET,
        "redirect_uris": [f"{public}/sign-in/oidc/callback"],
    }
    async with program("identity_provider.mjs") as provider:
        await provider.send({"port": provider_port, "client": client})
        issuer = (await provider.answer())["issuer"]
        sections: dict[str, Any] = {
            "server": ServerSettings(public_url=public),
            "openid": OpenIdSettings(
                issuer=issuer, name="Praxis ID", client_id="chairside", client_secret=SECRET
            ),
        }
        async with sign_in_world(template, tmp_path, port=port, **sections) as world:
            body = {"profile_id": world.clinic.patients[0].id}
            made = await world.clinic.admin.post("/api/invitations", body)
            page = await windows.open(made.body["url"])
            times = page.get_by_role("heading", name=re.compile("Find a time"))
            await page.get_by_role("button", name="Accept with Praxis ID").click()
            await sign_in_there(page)
            await expect(times).to_be_visible()
            assert page.url == f"{public}/patient"
            await expect(page.locator(".who")).to_have_text(world.clinic.patients[0].name)
            await page.get_by_role("button", name="Sign out").click()
            await page.get_by_role("button", name="Sign in with Praxis ID").click()
            await expect(times).to_be_visible()
            await page.goto(f"{public}/sign-in?problem=unknown")
            await expect(page.get_by_role("alert")).to_contain_text("Ask for an invitation")
