"""How the host application signs a user in, also in a frame."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from api.settings import ApiSettings
from tests.browser.windows import Windows
from tests.support.clinic import Clinic
from tests.support.running import Template, clinic_on

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
