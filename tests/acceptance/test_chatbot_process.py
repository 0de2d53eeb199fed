"""Criteria 1.1, 2.3, 3.1, 3.3 for a chatbot that is a process of its own, over REST and the
event stream alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest

from tests.support.bot import BotProcess, bot_process
from tests.support.clinic import CHATBOT, Clinic, Person, instant, schedule
from tests.support.database import rows


@pytest.fixture
async def bot(clinic: Clinic) -> AsyncIterator[BotProcess]:
    async with bot_process(clinic.url, CHATBOT, clinic.patients[0].id) as process:
        yield process


async def free(clinic: Clinic, bot: BotProcess, dentist: Person, kind: str) -> set[str]:
    """What the bot would offer on the tests' day; it must know it without asking."""
    day = clinic.day_of(dentist, kind)
    answer = await bot.ask(
        "free",
        dentist_id=dentist.id,
        appointment_type_id=clinic.types[kind],
        starts_from=day["from"],
        starts_before=day["to"],
    )
    assert answer["from_memory"], "an answer from memory"
    assert answer["age_s"] < 15
    return {instant(datetime.fromisoformat(start)) for start in answer["starts"]}


async def within_one_second(
    clinic: Clinic, bot: BotProcess, dentist: Person, right: Callable[[set[str]], bool]
) -> None:
    """The bot's cache becomes right in time, and says what the hub says."""
    until = time.monotonic() + 1.0
    while not right(await free(clinic, bot, dentist, "check-up")):
        assert time.monotonic() < until, "the cache is not up to date within 1 s"
        await asyncio.sleep(0.01)
    for kind in ("check-up", "cleaning", "surgery"):
        shown = await clinic.free(clinic.patients[9], dentist=dentist, kind=kind)
        assert await free(clinic, bot, dentist, kind) == shown


async def test_r1_1_a_booking_by_the_chatbot_is_committed_within_500_ms(
    clinic: Clinic, bot: BotProcess
) -> None:
    answer = await bot.ask("book", **clinic.slot())
    assert answer["took_s"] < 0.5
    (row,) = rows(
        clinic.database, "SELECT * FROM appointments WHERE id = ?", answer["booked"]["id"]
    )
    assert (row["status"], row["created_via"]) == ("confirmed", "chatbot")
    assert row["changed_by"] == "clinic-chatbot"
    assert row["on_behalf_of"] == row["patient_id"] == clinic.patients[0].id


async def test_r2_3_the_chatbots_cache_follows_every_change_within_one_second(
    clinic: Clinic, bot: BotProcess
) -> None:
    dentist, other = clinic.dentists[0], clinic.patients[1]
    at = clinic.at("09:00")
    assert at in await free(clinic, bot, dentist, "check-up")

    held = await clinic.hold(other, "09:00")
    await within_one_second(clinic, bot, dentist, lambda starts: at not in starts)
    gone = await clinic.api(other).delete(f"/api/reservations/{held['id']}")
    assert gone.status == 204
    await within_one_second(clinic, bot, dentist, lambda starts: at in starts)
    booked = await clinic.book(other, "09:00", kind="surgery")
    await within_one_second(clinic, bot, dentist, lambda starts: at not in starts)
    later = clinic.at("13:00")
    moved = await clinic.api(other).put(f"/api/appointments/{booked['id']}", {"start": later})
    assert moved.status == 200, moved.body
    await within_one_second(
        clinic, bot, dentist, lambda starts: at in starts and later not in starts
    )


async def test_r2_3_the_chatbots_cache_follows_a_changed_schedule_within_one_second(
    clinic: Clinic, bot: BotProcess
) -> None:
    dentist = clinic.dentists[0]
    nine, evening = clinic.at("09:00"), clinic.at("19:00")
    hours = [
        {"weekday": day, "start": "10:00", "end": "20:00"}
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    ]
    saved = await clinic.api(dentist).put(f"/api/availability/{dentist.id}", schedule(rules=hours))
    assert saved.status == 200, saved.body
    until = time.monotonic() + 1.0

    async def offered() -> Any:
        day = clinic.day_of(dentist)
        return await bot.ask(
            "free",
            dentist_id=dentist.id,
            appointment_type_id=clinic.types["check-up"],
            starts_from=day["from"],
            starts_before=day["to"],
        )

    while True:
        answer = await offered()
        starts = {instant(datetime.fromisoformat(start)) for start in answer["starts"]}
        if answer["from_memory"] and evening in starts and nine not in starts:
            break
        assert time.monotonic() < until, "the cache is not up to date within 1 s"
        await asyncio.sleep(0.01)


async def test_r3_1_the_chatbot_is_told_what_the_dentist_changes_within_one_second(
    clinic: Clinic, bot: BotProcess
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    booked = await clinic.book(patient)
    changed = await clinic.api(dentist).put(
        f"/api/appointments/{booked['id']}", {"start": clinic.at("15:00")}
    )
    assert changed.status == 200
    event = await bot.event("appointment.updated", 1.0, id=booked["id"])
    assert event["data"] == changed.body


async def test_r3_3_what_the_chatbot_books_is_on_both_dashboards_within_one_second(
    clinic: Clinic, bot: BotProcess
) -> None:
    dashboards = [
        await clinic.screen(clinic.dentists[0]),
        await clinic.screen(clinic.patients[0]),
    ]
    answer = await bot.ask("book", **clinic.slot())
    for screen in dashboards:
        shown = await screen.event("appointment.created", 1.0, id=answer["booked"]["id"])
        assert shown.resource["created_via"] == "chatbot"


async def test_a_race_for_a_slot_is_lost_with_a_word_and_leaves_no_trace(
    clinic: Clinic, bot: BotProcess
) -> None:
    await clinic.hold(clinic.patients[1], "09:00")
    assert await bot.ask("book", **clinic.slot("09:00")) == {"number": 1, "refused": "SLOT_TAKEN"}
