"""Screenshots of every screen of a busy demo clinic: light, dark and on a phone.

``python -m tools.screenshots FOLDER`` starts a demo of its own, opens its pages as their users
do, and writes a PNG for each. They are for people to look at; no test checks them.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser, Page, expect

from chairside.client import HubClient
from chairside.traffic.context import SimulationPlan
from chairside.traffic.links import Links
from chairside.traffic.simulation import Simulation
from tools.chromium import ROOT, launched, missing

DESK = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}
STARTS_WITHIN_S = 60
TRAFFIC_S = 14

Act = Callable[[Page], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Shot:
    name: str
    page: str
    act: Act
    size: dict[str, int] = field(default_factory=lambda: DESK)
    dark: bool = False
    locale: str = "en-GB"
    person: int = 0


async def _find(page: Page) -> None:
    await expect(page.locator(".slot").first).to_be_visible()
    await page.locator(".day").nth(2).click()


async def _hold(page: Page) -> None:
    await _find(page)
    await page.locator(".slot").nth(2).click()
    await expect(page.get_by_role("timer")).to_be_visible()


async def _mine(page: Page) -> None:
    await page.locator(".tab").nth(1).click()
    await expect(page.locator(".appointment").first).to_be_visible()


async def _profile(page: Page) -> None:
    await page.locator(".tab").nth(2).click()


async def _calendar(page: Page) -> None:
    if page.viewport_size == PHONE:  # it shows one day: go to a later one
        await page.locator(".turn .icon").last.click()
    await expect(page.locator(".ec-event.is-confirmed").first).to_be_visible()


async def _desk(page: Page) -> None:
    await page.locator(".turn .icon").last.click()  # a later day is a full one
    if page.viewport_size == PHONE:
        await page.locator(".only").select_option(index=1)
    await page.locator(".ec-event.is-confirmed").first.click()
    await expect(page.locator(".contact a").first).to_be_visible()


async def _desk_record(page: Page) -> None:
    await page.locator("#patient-search").fill("quinn")
    await expect(page.locator(".match").nth(1)).to_be_visible()
    await page.locator("#patient-search").press("Enter")
    await expect(page.locator(".times .chip").first).to_be_visible()


async def _desk_today(page: Page) -> None:
    if page.viewport_size == PHONE:  # it is open at first where there is room
        await page.locator(".room").click()
    await expect(page.locator(".today .visit-line").first).to_be_visible()


async def _desk_new(page: Page) -> None:
    await page.locator("#patient-search").fill("Greta Neu")
    await page.locator("#patient-search").press("Enter")
    await page.locator("#new-phone").fill("+1 202 555 0182")
    await expect(page.locator(".boxed")).to_be_visible()


async def _panel(page: Page) -> None:
    await _calendar(page)
    await page.locator(".ec-event.is-confirmed").nth(1).click()
    await expect(page.locator(".contact a").first).to_be_visible()


async def _new(page: Page) -> None:
    await _calendar(page)
    await page.locator(".toolbar .primary").click()
    await expect(page.locator(".found .chip").first).to_be_visible()


async def _list(page: Page) -> None:
    await page.locator(".tab").nth(1).click()
    await expect(page.locator("tbody td").first).to_be_visible()


async def _hours(page: Page) -> None:
    await page.locator(".tab").nth(2).click()
    await expect(page.locator(".weekday-row").first).to_be_visible()


async def _chat(page: Page) -> None:
    await expect(page.locator(".chat-line")).to_have_count(1)
    await page.locator("#message").fill("I need a cleaning in 3 days after 2pm")
    await page.locator(".chat-form .primary").click()
    await expect(page.locator(".chat-options button").first).to_be_enabled()


async def _status(page: Page) -> None:
    await page.wait_for_selector("[data-figure]")
    await expect(page.locator("[data-moments]").first).to_have_attribute(
        "data-moments", str(TRAFFIC_S - 5), timeout=TRAFFIC_S * 2_000
    )


async def _sign_in(page: Page) -> None:
    await page.evaluate("sessionStorage.clear()")
    await page.reload()
    await expect(page.locator(".signin form")).to_be_visible()


def _each(name: str, page: str, act: Act, **more: Any) -> tuple[Shot, ...]:
    """Light, dark, on a phone, and on a dark phone in German."""
    return (
        Shot(name=name, page=page, act=act, **more),
        Shot(name=f"{name}-dark", page=page, act=act, dark=True, **more),
        Shot(name=f"{name}-phone", page=page, act=act, size=PHONE, **more),
        Shot(
            name=f"{name}-phone-dark",
            page=page,
            act=act,
            size=PHONE,
            dark=True,
            locale="de-DE",
            **more,
        ),
    )


SHOTS = (
    *_each("patient-find", "patient", _find),
    *_each("patient-hold", "patient", _hold, person=1),
    *_each("patient-mine", "patient", _mine, person=2),
    *_each("patient-profile", "patient", _profile),
    *_each("chat", "chat", _chat, person=3),
    *_each("dentist-calendar", "dentist", _calendar),
    *_each("dentist-appointment", "dentist", _panel),
    *_each("dentist-new", "dentist", _new),
    *_each("dentist-list", "dentist", _list),
    *_each("dentist-hours", "dentist", _hours),
    *_each("desk-visit", "desk", _desk),
    *_each("desk-today", "desk", _desk_today),
    *_each("desk-record", "desk", _desk_record),
    *_each("desk-new", "desk", _desk_new),
    *_each("sign-in", "dentist", _sign_in),
)
UNDER_LOAD = _each("status", "status", _status)


async def main(folder: Path) -> None:
    async with demo() as links, launched() as browser:
        await _create_activity(links)
        for shot in SHOTS:
            await _take(browser, links, shot, folder)
        plan = SimulationPlan(
            url=links["url"], links=Links.from_json(links), seconds=TRAFFIC_S, patients=30
        )
        traffic = asyncio.create_task(Simulation(plan).run())
        await asyncio.gather(*(_take(browser, links, shot, folder) for shot in UNDER_LOAD))
        await traffic


async def _take(browser: Browser, links: dict[str, Any], shot: Shot, folder: Path) -> None:
    tokens = {
        "patient": links["patients"][shot.person]["token"],
        "chat": links["patients"][shot.person]["token"],
        "dentist": links["dentists"][0]["token"],
        "desk": links["staff"][0]["token"],
        "status": links["admin"]["token"],
    }
    context = await browser.new_context(
        viewport={"width": shot.size["width"], "height": shot.size["height"]},
        color_scheme="dark" if shot.dark else "light",
        locale=shot.locale,
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(f"{links['url']}/{shot.page}#token={tokens[shot.page]}")
    await shot.act(page)
    await page.evaluate("document.activeElement?.blur()")
    await page.screenshot(path=folder / f"{shot.name}.png")
    await context.close()
    print(folder / f"{shot.name}.png", flush=True)


async def _create_activity(links: dict[str, Any]) -> None:
    """Let some patients hold a slot, and some book one."""
    dentist, kinds = links["dentists"][0], links["appointment_types"]
    async with aiohttp.ClientSession() as session:
        for number, person in enumerate(links["patients"][2:6]):
            client = HubClient(links["url"], token=person["token"], session=session)
            page = await client.find_slots(
                dentist_ids=[dentist["id"]],
                appointment_type_id=kinds[number % len(kinds)]["id"],
                starts_from=_in(days=number + 1),
                starts_before=_in(days=number + 8),
                limit=20,
            )
            slot = page["data"][number * 3]
            act = client.hold if number % 2 else client.book_slot
            await act(
                dentist_id=slot["dentist_id"],
                appointment_type_id=slot["appointment_type_id"],
                start=slot["start"],
            )


def _in(*, days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


@asynccontextmanager
async def demo() -> AsyncIterator[dict[str, Any]]:
    """A demo clinic on a free port, with a temporary folder; yields its links."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub.cli", "demo"),
            *("--json", "--data", folder, "--port", "0"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                ready = json.loads(await process.stdout.readuntil(b"}\n"))
            yield _read(Path(ready["links"]))
        finally:
            process.terminate()
            await process.wait()


def _read(path: Path) -> dict[str, Any]:
    links: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return links


if __name__ == "__main__":
    if why_not := missing():
        sys.exit(why_not)
    images = Path(sys.argv[1])
    images.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(images))
