"""Calendars of patients: one entry for a visit, which changes and goes, whoever reads the files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import permutations
from typing import Any

import icalendar
import pytest

from actors.domain.appointment import Appointment, Status
from hub.messages.calendar_file import VisitCalendars
from hub.messages.settings import MessageSettings
from tests.support.node import program
from tests.unit.calendars import row
from tests.unit.test_mails import START, details

BOOKED = row(START)
LATER = START + timedelta(days=1)
MOVED = replace(BOOKED, start=LATER, end=LATER + timedelta(minutes=30), version=2)
CONFIRMED = replace(MOVED, version=3, patient_confirmed_at=START)
CANCELLED = replace(CONFIRMED, status=Status.CANCELLED, version=4)
CHANGES = (BOOKED, MOVED, CONFIRMED, CANCELLED)


def files(rows: Sequence[Appointment]) -> list[str]:
    calendars = VisitCalendars(MessageSettings(enabled=True))
    return [
        calendars.file(details(visit=each), language="de", attendee="anna@example.org").decode()
        for each in rows
    ]


async def by_ical_js(received: Sequence[str]) -> Mapping[str, Any]:
    async with program("calendar.mjs") as calendar:
        await calendar.send(received)
        answer: Mapping[str, Any] = await calendar.answer()
        return answer


async def by_icalendar(received: Sequence[str]) -> Mapping[str, Any]:
    entries: dict[str, Any] = {}
    for text in received:
        calendar = icalendar.Calendar.from_ical(text.encode())
        for event in calendar.walk("VEVENT"):
            uid, sequence = str(event["UID"]), event.decoded("SEQUENCE")
            if uid in entries and entries[uid]["sequence"] >= sequence:
                continue
            is_removed = str(calendar["METHOD"]) == "CANCEL"
            start = event.decoded("DTSTART").astimezone(UTC)
            entries[uid] = {
                "sequence": sequence,
                "status": "removed" if is_removed else str(event["STATUS"]),
                "start": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "alarms": len(event.walk("VALARM")),
                "organizer": str(event["ORGANIZER"]),
            }
    return entries


@pytest.mark.parametrize("read", [by_ical_js, by_icalendar])
async def test_one_entry_is_updated_and_removed(read: Any) -> None:
    (booked,) = (await read(files(CHANGES[:1]))).values()
    assert booked == {
        "sequence": 1,
        "status": "CONFIRMED",
        "start": "2027-03-08T08:30:00.000Z",
        "alarms": 1,
        "organizer": "mailto:praxis@example.org",
    }
    (moved,) = (await read(files(CHANGES[:2]))).values()
    assert (moved["status"], moved["start"]) == ("CONFIRMED", "2027-03-09T08:30:00.000Z")
    entries = await read(files(CHANGES))
    assert list(entries) == [f"{BOOKED.id}@chairside"]
    (gone,) = entries.values()
    assert (gone["status"], gone["sequence"], gone["alarms"]) == ("removed", 4, 0)


async def test_the_order_in_which_files_arrive_does_not_matter() -> None:
    every = files(CHANGES)
    found = [await by_icalendar(each) for each in permutations(every)]
    assert all(each == found[0] for each in found)
    assert await by_ical_js(every[::-1]) == found[0]
