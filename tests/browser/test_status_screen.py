"""The hub's status page while the hub has something to do."""

import asyncio
import re

from playwright.async_api import expect

from chairside.traffic.context import SimulationPlan
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.simulation import Simulation
from tests.browser.windows import Windows
from tests.support.clinic import CHATBOT, Clinic, Person
from tests.support.eventually import eventually


def links_of(clinic: Clinic) -> Links:
    def linked(people: tuple[Person, ...]) -> tuple[LinkedPerson, ...]:
        return tuple(LinkedPerson(id=one.id, token=one.token) for one in people)

    return Links(
        dentists=linked(clinic.dentists),
        patients=linked(clinic.patients),
        chatbot_token=CHATBOT,
        appointment_type_ids=(clinic.types["check-up"],),
    )


async def test_the_figures_move_while_traffic_runs_and_name_no_patient(
    clinic: Clinic, windows: Windows
) -> None:
    page = await windows.status(clinic)
    await expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    plan = SimulationPlan(
        url=clinic.url, links=links_of(clinic), seconds=6, patients=15, commands_per_s=8.0
    )
    traffic = asyncio.create_task(Simulation(plan).run())
    try:
        some = re.compile(r"[1-9]")
        for figure in ("events", "commits", "latency", "commit-time", "database"):
            await expect(page.locator(f"[data-figure={figure}] dd").first).to_have_text(some)
        await expect(page.locator("[data-figure=failures] dd").first).to_have_text("0")
        plots = page.locator("[data-moments]")
        await expect(plots.first).to_have_attribute("data-moments", re.compile(r"^[3-9]|\d\d"))
        drawn = lambda: page.evaluate(_COLOURED)  # noqa: E731  # evaluated repeatedly
        assert await eventually(drawn, 10.0), "there are lines in the plots"
        calendars = page.get_by_role("region", name="Calendars").last
        await expect(calendars.locator("tbody tr")).to_have_count(3)
        await expect(calendars).to_contain_text("Dentist 0")
        sockets = page.get_by_role("region", name="Connections").last
        await expect(sockets.locator("tr", has_text="/patient")).to_contain_text(some)
        await expect(page.get_by_text("No errors since the start.")).to_be_visible()
    finally:
        await traffic
    assert not re.search(r"Patient \d", await page.content()), "nothing patient-related"


async def test_the_public_sees_health_and_only_admins_see_figures(
    clinic: Clinic, windows: Windows
) -> None:
    page = await windows.open(f"{clinic.url}/status")
    await expect(page.get_by_role("heading", name="All is well")).to_be_visible()
    await expect(page.locator("[data-figure]")).to_have_count(0)
    await page.get_by_label("Token").fill(clinic.dentists[0].token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not accept this sign-in")
    await expect(page.locator("[data-figure]")).to_have_count(0)


_COLOURED = """
[...document.querySelectorAll(".plot canvas")].every((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, solid] = data.subarray(at, at + 4);
    if (solid > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) return true;
  }
  return false; // grey and black are the grid
})
"""
