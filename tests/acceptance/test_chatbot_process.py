"""The free slots of the hub's own chatbot (criterion 2.3), in the terminal and over REST.

``chairside chat`` is a process of its own that keeps slots in memory;
``POST /api/chat`` reads the snapshots that the hub's calendars publish.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.support.chats import Page, chatting
from tests.support.clinic import ADMIN, Clinic, schedule

CLOCKS = ("08:00", "08:30", "08:45", "09:00", "09:15", "12:45", "13:00", "13:30", "16:00", "19:00")


@dataclass(frozen=True)
class Chat:
    """A conversation of the clinic's first patient, who looks for a check-up."""

    send: Callable[[str], Awaitable[str]]
    is_remote: bool

    async def offers(self, clock: str) -> bool:
        """Whether the chatbot offers the first dentist's slot of this time."""
        hour, minute = clock.split(":")
        reply = await self.send(f"in 3 days between {clock} and {hour}:{int(minute) + 10}")
        assert "Nothing is free" in reply or "I can offer" in reply, reply
        assert "None of them?" in await self.send("no"), "else a time would choose an offer"
        return "I can offer" in reply


@pytest.fixture(params=["chairside chat", "/api/chat"])
async def chat(request: pytest.FixtureRequest, clinic: Clinic) -> AsyncIterator[Chat]:
    patient, search = clinic.patients[0], "check-up with Dentist 0 in 3 days after 9am"
    if request.param == "/api/chat":
        page = Page(clinic.api(patient))
        assert "09:00" in await page.send(search)
        await page.send("no")
        yield Chat(page.send, is_remote=False)
    else:
        async with chatting(clinic, patient) as typist:
            assert "09:00" in await typist.send(search)
            await typist.send("no")
            yield Chat(typist.send, is_remote=True)


async def searches(clinic: Clinic) -> float:
    """Requests for slots that the hub has answered so far."""
    metrics = (await clinic.with_token(ADMIN).send("GET", "/metrics")).body
    routes = r'route="/api/(?:slots|availability/\{\w+\})"'
    lines = re.findall(rf"_seconds_count\{{[^}}]*{routes}[^}}]*\}} ([\d.]+)", metrics)
    assert lines, "the metrics have a count for each route"
    return sum(map(float, lines))


async def within_one_second(
    clinic: Clinic, chat: Chat, clock: str, *, is_free: bool, since: float
) -> None:
    """The chatbot's free slots become right in time, and equal those of the hub."""
    while await chat.offers(clock) is not is_free:
        assert time.monotonic() < since + 1.0, "the free slots are not right within 1 s"
    await asyncio.sleep(max(0.0, since + 1.0 - time.monotonic()))
    hub_has = await clinic.free(clinic.patients[9])
    before = await searches(clinic)
    for each in CLOCKS:
        assert await chat.offers(each) is (clinic.at(each) in hub_has), each
    if chat.is_remote:
        assert await searches(clinic) == before, "answered from memory"


async def test_r2_3_free_slots_follow_every_booking_within_one_second(
    clinic: Clinic, chat: Chat
) -> None:
    other = clinic.patients[1]
    assert await chat.offers("09:00")

    held = await clinic.hold(other, "09:00")
    await within_one_second(clinic, chat, "09:00", is_free=False, since=time.monotonic())
    gone = await clinic.api(other).delete(f"/api/reservations/{held['id']}")
    assert gone.status == 204
    await within_one_second(clinic, chat, "09:00", is_free=True, since=time.monotonic())
    booked = await clinic.book(other, "09:00", kind="surgery")
    await within_one_second(clinic, chat, "09:00", is_free=False, since=time.monotonic())
    moved = await clinic.api(other).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("13:00")}
    )
    assert moved.status == 200, moved.body
    since = time.monotonic()
    await within_one_second(clinic, chat, "09:00", is_free=True, since=since)
    await within_one_second(clinic, chat, "13:00", is_free=False, since=since + 1.0)


async def test_r2_3_free_slots_follow_a_changed_schedule_within_one_second(
    clinic: Clinic, chat: Chat
) -> None:
    dentist = clinic.dentists[0]
    hours = [
        {"weekday": day, "start": "10:00", "end": "20:00"}
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    ]
    saved = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", schedule(rules=hours))
    assert saved.status == 200, saved.body
    since = time.monotonic()
    await within_one_second(clinic, chat, "19:00", is_free=True, since=since)
    assert not await chat.offers("09:00")


async def test_r2_3_search_after_an_event_never_finds_the_slot_that_it_took(
    clinic: Clinic,
) -> None:
    async with chatting(clinic, clinic.patients[0]) as bot:
        reply = await bot.send("check-up with Dentist 0 in 3 days between 9:00 and 9:10")
        assert "at 09:00" in reply
        before = await searches(clinic)
        await clinic.book(clinic.patients[1], "09:00")
        reply = await bot.notice("was just taken by somebody else", 2.0)
        taken, *offers = reply.splitlines()
        assert "at 09:00" in taken
        assert any("at 09:30" in offer for offer in offers)
        assert not any("at 09:00" in offer for offer in offers)
        assert await searches(clinic) == before, "answered from memory"
