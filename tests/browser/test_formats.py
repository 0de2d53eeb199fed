"""Times and dates as people in the United States write them; elsewhere clocks have 24 hours."""

import re

from playwright.async_api import Page, expect

from tests.browser.windows import Windows
from tests.support.clinic import Clinic

CLOCK_24 = re.compile(r"\b(1[3-9]|2[0-3]):\d\d\b")
CLOCK_12 = re.compile(r"\b1:\d\d\sPM")


async def _text(page: Page) -> str:
    return await page.locator("body").inner_text()


async def test_american_english_has_american_clocks_and_dates_on_every_page(
    clinic: Clinic, windows: Windows
) -> None:
    await clinic.book(clinic.patients[0], "13:00")
    phone = await windows.patient(clinic, clinic.patients[1], locale="en-US")
    assert await phone.page.evaluate("document.documentElement.lang") == "en-US"
    await phone.look()
    await expect(phone.slot("13:30")).to_have_text(re.compile(r"^1:30\sPM$"))
    await phone.hold("14:00")
    await expect(phone.dialog).to_contain_text(re.compile(r"2:00\sPM – 2:30\sPM\w+, \w+ \d+, 20"))
    assert not CLOCK_24.search(await _text(phone.page))

    dentist = await windows.dentist(clinic, clinic.dentists[0], locale="en-US")
    await dentist.turn()
    await dentist.select(clinic.patients[0])
    desk = await windows.desk(clinic, clinic.staff[0], locale="en-US")
    await desk.turn()
    await desk.select(clinic.patients[0])
    for screen in (dentist, desk):
        text = await _text(screen.page)
        assert CLOCK_12.search(text)
        assert not CLOCK_24.search(text)
        assert re.search(r"\b\w+day, \w+ \d{1,2}, 20\d\d", text)
        assert re.search(r"\b1\sPM\b", text), "the hours beside the calendar"
