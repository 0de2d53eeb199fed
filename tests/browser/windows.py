"""Windows of a browser, and the screens in them as their users see them."""

import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from playwright.async_api import Browser, FloatRect, Locator, Page, expect

from tests.support.clinic import ADMIN, DAYS_AHEAD, Clinic, Person

PHONE = {"width": 390, "height": 844}
QUARTER_PX = 20
"""Of the front desk's calendar."""
DESK = {"width": 1360, "height": 1000}

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_HOST = "window.chairside = { token: (stale) => window.tokenOfHost(stale ?? null) };"

Host = Callable[[str | None], str]
"""Gives a token; gets the one that is no longer good, if there was one."""


class Windows:
    """Each window is a browser of its own: other storage, other sockets."""

    def __init__(self, browser: Browser, stack: AsyncExitStack) -> None:
        self._browser, self._stack = browser, stack
        self._pages: list[Page] = []
        self._errors: list[str] = []

    async def open(self, address: str, *, host: Host | None = None, **options: Any) -> Page:
        """A window on ``address``; ``host`` is the application around it, which has tokens."""
        settings = {"viewport": DESK, "locale": "en-GB", "timezone_id": "UTC", **options}
        context = await self._browser.new_context(**settings)
        self._stack.push_async_callback(context.close)
        await context.add_init_script(_WATCH)
        if host is not None:
            await context.expose_function("tokenOfHost", host)
            await context.add_init_script(_HOST)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        self._pages.append(page)
        await page.goto(address)
        return page

    async def check(self) -> None:
        assert self._errors == []
        for page in self._pages:
            if not page.is_closed():
                assert await page.evaluate("window.violations") == []

    async def patient(self, clinic: Clinic, person: Person, **options: Any) -> "PatientScreen":
        url = options.pop("url", clinic.url)
        page = await self.open(signed_in(url, "patient", person.token), **options)
        await expect(page.get_by_role("heading", name=re.compile("Find a time"))).to_be_visible()
        return PatientScreen(page, clinic)

    async def dentist(self, clinic: Clinic, person: Person, **options: Any) -> "DentistScreen":
        url = options.pop("url", clinic.url)
        page = await self.open(signed_in(url, "dentist", person.token), **options)
        screen = DentistScreen(page, clinic)
        await expect(page.locator(".ec-time-grid")).to_be_visible()
        await screen.online()
        return screen

    async def desk(self, clinic: Clinic, person: Person, **options: Any) -> "FrontDeskScreen":
        url = options.pop("url", clinic.url)
        page = await self.open(signed_in(url, "desk", person.token), **options)
        screen = FrontDeskScreen(page, clinic)
        await expect(page.locator(".ec-time-grid")).to_be_visible()
        await screen.online()
        return screen

    async def status(self, clinic: Clinic, **options: Any) -> Page:
        page = await self.open(signed_in(clinic.url, "status", ADMIN), **options)
        await expect(page.locator("[data-figure=sockets]")).to_be_visible()
        return page


def signed_in(url: str, page: str, token: str) -> str:
    """As hosts link to the page: the token in the fragment, which no server sees."""
    return f"{url}/{page}#token={quote(token)}"


class Screen:
    def __init__(self, page: Page, clinic: Clinic) -> None:
        self.page, self.clinic = page, clinic

    async def online(self) -> None:
        """Connected, and its ``hub:ready`` has come."""
        await expect(self.page.locator("[data-connection=online]")).to_be_attached()

    @property
    def banner(self) -> Locator:
        return self.page.locator(".banner")

    @property
    def messages(self) -> Locator:
        return self.page.locator(".toast")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def tab(self, name: str) -> None:
        await self.page.locator(".tab", has_text=name).click()


class PatientScreen(Screen):
    async def look(self, dentist: Person | None = None, *, days: int = DAYS_AHEAD) -> None:
        """At the free times of the tests' day, of the first dentist by default."""
        chosen = dentist or self.clinic.dentists[0]
        await self.page.locator("#dentist").select_option(chosen.id)
        await self.page.locator(".day").nth(days).click()
        await self.online()

    def slot(self, clock: str, **when: Any) -> Locator:
        return self.page.locator(f'.slot[data-start="{self.clinic.at(clock, **when)}"]')

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    @property
    def countdown(self) -> Locator:
        return self.page.get_by_role("timer")

    async def hold(self, clock: str) -> None:
        await self.slot(clock).click()
        await expect(self.countdown).to_be_visible()

    async def book(self, clock: str) -> None:
        await self.hold(clock)
        await self.button("Confirm").click()
        await expect(self.dialog.get_by_text("Your appointment is booked")).to_be_visible()

    def card(self, appointment_id: str) -> Locator:
        return self.page.locator(f'.appointment[data-id="{appointment_id}"]')


class DentistScreen(Screen):
    async def turn(self, days: int = DAYS_AHEAD) -> None:
        """To the week of the tests' day."""
        here = datetime.now(UTC).date()
        for _ in range((monday(here + timedelta(days)) - monday(here)).days // 7):
            await self.button("Later week").click()

    def event(self, who: Person) -> Locator:
        return self.page.locator(f'.ec-event:not(.is-ghost):has(.ev-who:text-is("{who.name}"))')

    @property
    def panel(self) -> Locator:
        return self.page.locator(".panel")

    @property
    def proposal(self) -> Locator:
        return self.page.get_by_role("group", name="Proposed move")

    async def accept(self, answer: str = "Move") -> None:
        await self.proposal.get_by_role("button", name=answer, exact=True).click()

    async def select(self, who: Person) -> None:
        await self.event(who).click()
        await expect(self.panel.get_by_role("heading", name=who.name)).to_be_visible()

    async def place(self, who: Person) -> FloatRect:
        """Where the appointment is, once it stays there: events redraw the calendar."""
        box = None
        for _ in range(100):
            before, box = box, await self.event(who).bounding_box()
            if box is not None and box == before:
                return box
            await self.page.wait_for_timeout(30)
        raise AssertionError(f"{who.name} has no place that stays")

    async def drag(self, who: Person, *, quarters: int) -> None:
        """Down the day, so many quarters of an hour."""
        box = await self.place(who)
        quarter = await self.page.evaluate(
            "parseFloat(getComputedStyle(document.querySelector('.ec')).getPropertyValue('--ec-slot-height'))"
            " || 17"
        )
        x, y = box["x"] + box["width"] / 2, box["y"] + 6
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        await self.page.mouse.move(x, y + 8)
        await self.page.mouse.move(x, y + quarters * quarter, steps=8)
        await self.page.mouse.up()


class FrontDeskScreen(DentistScreen):
    async def turn(self, days: int = DAYS_AHEAD) -> None:
        """To the tests' day."""
        day = datetime.now(UTC).date() + timedelta(days)
        await self.page.get_by_label("Go to a date").fill(day.isoformat())

    def beside(self, title: str) -> Locator:
        """The panel of this name beside the calendar."""
        return self.page.get_by_role("complementary", name=title, exact=True)

    @property
    def search(self) -> Locator:
        return self.page.get_by_role("combobox", name="Find a patient").first

    @property
    def free(self) -> Locator:
        """The times that the booking form offers."""
        return self.page.locator(".times .chip")

    def column(self, dentist: Person) -> Locator:
        """The visits in a dentist's column, by what screen readers read of it."""
        return self.page.locator(f'.ec-event:has(.visually-hidden:text-is("{dentist.name}"))')

    async def drag_aside(self, who: Person, *, quarters: int) -> None:
        """Into the next column, so many quarters of an hour later."""
        box = await self.place(who)
        x, y = box["x"] + box["width"] / 2, box["y"] + 8
        await self.page.mouse.move(x, y)
        await self.page.mouse.down()
        await self.page.mouse.move(x, y + 8)
        await self.page.mouse.move(x + box["width"] + 20, y + quarters * QUARTER_PX, steps=8)
        await self.page.mouse.up()


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
