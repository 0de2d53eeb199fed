"""How the host application signs a user in, also in a frame."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from api.settings import ApiSettings
from tests.browser.windows import Windows, signed_in
from tests.support.clinic import ADMIN, Clinic
from tests.support.running import Template, clinic_on
from tests.support.tokens import token

_HOST = """<!doctype html><title>Clinic</title>
<iframe title="appointments" width="800" height="800"></iframe>
<script>
  const { hub, token } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  window.asked = 0;
  addEventListener("message", (event) => {
    if (event.origin !== hub || event.data.type !== "chairside:token-wanted") return;
    window.asked += 1;
    event.source.postMessage({ type: "chairside:token", token }, event.origin);
  });
  document.querySelector("iframe").src = `${hub}/patient`;
</script>"""


@asynccontextmanager
async def application() -> AsyncIterator[str]:
    """A clinic's own application, on another origin than the hub."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=_HOST, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def framed(origin: str, clinic: Clinic) -> str:
    given = {"hub": clinic.url, "token": clinic.patients[0].token}
    return f"{origin}/#{json.dumps(given)}"


async def test_an_application_that_the_settings_name_signs_in_the_page_it_frames(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    async with (
        application() as origin,
        clinic_on(template, tmp_path, api=ApiSettings(frame_origins=(origin,))) as clinic,
    ):
        page = await windows.open(framed(origin, clinic))
        inside = page.frame_locator("iframe")
        await expect(inside.get_by_role("heading", name="Find a time")).to_be_visible()
        await expect(inside.locator("[data-connection=online]")).to_be_attached()
        assert await page.evaluate("window.asked") == 1
        await page.context.close()


async def test_any_other_application_can_neither_frame_a_page_nor_sign_it_in(
    clinic: Clinic, windows: Windows
) -> None:
    async with application() as origin:
        page = await windows.open(framed(origin, clinic))
        refused = page.locator("iframe").content_frame
        await expect(refused.locator("body")).to_be_attached()
        await expect(refused.locator("#app")).to_have_count(0)
        assert await page.evaluate("window.asked") == 0
        await page.context.close()


# --- nobody replaces a person who is signed in -------------------------------------------


_numbers = count()


def link(clinic: Clinic, page: str, bearer: str) -> str:
    """Another address each time, so that the browser loads the page."""
    return signed_in(clinic.url, f"{page}?{next(_numbers)}", bearer)


async def kept(page: Page, screen: str) -> str:
    """The token that the page keeps."""
    token = await page.evaluate(f"sessionStorage.getItem('chairside-token-{screen}')")
    assert isinstance(token, str)
    return token


async def test_a_link_asks_before_it_replaces_a_signed_in_person(
    clinic: Clinic, windows: Windows
) -> None:
    first, other = clinic.patients[:2]
    page = (await windows.patient(clinic, first)).page
    name = page.locator(".who")
    for answer in ("Stay signed in", "Close", "Escape"):
        await page.goto(link(clinic, "patient", other.token))
        question = page.get_by_role("dialog", name="Sign in another person?")
        await expect(question).to_be_visible()
        await expect(name).to_have_text(first.name)
        if answer == "Escape":
            await page.keyboard.press(answer)
        else:
            await question.get_by_role("button", name=answer).click()
        await expect(question).to_have_count(0)
        await page.reload()
        await expect(name).to_have_text(first.name)
        assert await kept(page, "patient") == first.token
        assert other.token not in page.url
    await page.goto(link(clinic, "patient", other.token))
    await page.get_by_role("button", name="Switch person").click()
    await expect(name).to_have_text(other.name)
    await page.reload()
    await expect(name).to_have_text(other.name)
    await page.context.close()


async def test_a_link_asks_on_every_page_and_in_german(clinic: Clinic, windows: Windows) -> None:
    people = {
        "chat": (clinic.patients[0].token, clinic.patients[1].token),
        "dentist": (clinic.dentists[0].token, clinic.dentists[1].token),
        "status": (ADMIN, token("admin", "another")),
    }
    for screen, (first, other) in people.items():
        page = await windows.open(signed_in(clinic.url, screen, first), locale="de-DE")
        await expect(page.locator("[data-connection=online]")).to_be_attached()
        await page.goto(link(clinic, screen, other))
        await expect(
            page.get_by_role("dialog", name="Eine andere Person anmelden?")
        ).to_be_visible()
        await page.get_by_role("button", name="Angemeldet bleiben").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert await kept(page, screen) == first
        await page.context.close()


async def test_a_new_fragment_is_ignored_while_a_person_is_signed_in(
    clinic: Clinic, windows: Windows
) -> None:
    first, other = clinic.patients[:2]
    page = (await windows.patient(clinic, first)).page
    await page.evaluate("token => { location.hash = `token=${token}`; }", other.token)
    await page.wait_for_function("location.hash === ''")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator(".who")).to_have_text(first.name)
    assert await kept(page, "patient") == first.token
    await page.get_by_role("button", name="Sign out").click()
    await page.evaluate("token => { location.hash = `token=${token}`; }", other.token)
    await expect(page.locator(".who")).to_have_text(other.name)
    await page.context.close()


async def test_a_link_with_a_newer_token_of_the_same_person_is_used_when_needed(
    clinic: Clinic, windows: Windows
) -> None:
    page = await windows.open(
        signed_in(clinic.url, "patient", token("patient", "patient-0", ttl_s=4.0))
    )
    await expect(page.locator("[data-connection=online]")).to_be_attached()
    newer = token("patient", "patient-0", ttl_s=600)
    await page.goto(link(clinic, "patient", newer))
    await expect(page.locator("[data-connection=online]")).to_be_attached()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.wait_for_function(
        "newer => sessionStorage.getItem('chairside-token-patient') === newer", arg=newer
    )
    await expect(page.locator("[data-connection=online]")).to_be_attached()
    await page.context.close()


async def test_after_an_expired_sign_in_a_link_signs_in(clinic: Clinic, windows: Windows) -> None:
    other = clinic.patients[1]
    page = await windows.open(f"{clinic.url}/patient")
    expired = token("patient", "patient-0", ttl_s=-60)
    await page.evaluate("old => sessionStorage.setItem('chairside-token-patient', old)", expired)
    await page.goto(link(clinic, "patient", other.token))
    await expect(page.locator(".who")).to_have_text(other.name)
    await page.context.close()


async def test_a_page_that_opened_a_page_cannot_reach_it(clinic: Clinic, windows: Windows) -> None:
    first, other = clinic.patients[:2]
    async with application() as origin:
        opener = await windows.open(f"{origin}/#{json.dumps({'hub': origin, 'token': ''})}")
        async with opener.context.expect_page() as opening:
            await opener.evaluate(
                "address => { window.opened = open(address); }",
                signed_in(clinic.url, "patient", first.token),
            )
        page = await opening.value
        await expect(page.locator(".who")).to_have_text(first.name)
        assert await opener.evaluate("window.opened.closed"), "the opener has lost it"
        assert await page.evaluate("window.opener") is None
        await opener.evaluate(
            "address => { window.opened.location = address; }",
            signed_in(clinic.url, "patient", other.token),
        )
        await page.reload()
        await expect(page.locator(".who")).to_have_text(first.name)
        await opener.context.close()


async def test_the_host_renews_a_token_but_asks_for_another_person(
    template: Template, windows: Windows, tmp_path: Path
) -> None:
    async with (
        application() as origin,
        clinic_on(template, tmp_path, api=ApiSettings(frame_origins=(origin,))) as clinic,
    ):
        page = await windows.open(framed(origin, clinic))
        inside = page.frame_locator("iframe")
        name, question = inside.locator(".who"), inside.get_by_role("dialog")
        await expect(name).to_have_text(clinic.patients[0].name)
        give = """([hub, token]) => document.querySelector("iframe").contentWindow
            .postMessage({ type: "chairside:token", token }, hub)"""
        newer = token("patient", "patient-0", ttl_s=7_200)
        await page.evaluate(give, [clinic.url, newer])
        frame = page.frame(url=f"{clinic.url}/patient")
        assert frame is not None
        await frame.wait_for_function(
            "newer => sessionStorage.getItem('chairside-token-patient') === newer", arg=newer
        )
        await expect(question).to_have_count(0)
        await page.evaluate(give, [clinic.url, clinic.patients[1].token])
        await expect(question).to_be_visible()
        await expect(name).to_have_text(clinic.patients[0].name)
        await question.get_by_role("button", name="Switch person").click()
        await expect(name).to_have_text(clinic.patients[1].name)
        await page.context.close()
