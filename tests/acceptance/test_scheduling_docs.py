"""Runs the examples of docs/scheduling.md, and compares its tables with the hub."""

import json
import re
from datetime import UTC, datetime

from actors.domain.cancel_reason import CancelReason
from api.errors import STATUS
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_scheduling_cases import DentistCalendar
from tests.support.clock import FakeClock
from tests.support.commandline import ROOT

DOCUMENT = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
SLOTS = re.compile(r"<!-- slots: (\S+), (\d+) minutes -->\n```text\n(.*?)\n```")


async def test_the_hub_offers_the_slots_of_the_examples(open_clinic: OpenClinic) -> None:
    first, *examples = DOCUMENT.split("<!-- schedule -->\n```json\n")
    assert (len(examples), SLOTS.search(first)) == (3, None)
    clock = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    async with open_clinic(overrides={"clock": clock}) as clinic:
        calendar = DentistCalendar(clinic, clock)
        for example in examples:
            schedule, _, text = example.partition("```")
            wanted = json.loads(schedule)
            await calendar.opens(zone=wanted.pop("time_zone"), **wanted)
            days = SLOTS.findall(text)
            assert len(days) >= 2
            for day, minutes, shown in days:
                await calendar.offers(int(minutes))
                offered = " ".join(await calendar.free_local(day)) or "closed"
                assert offered == shown, day


def test_every_cancel_reason_is_documented_with_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(reason.value, reason.fhir) for reason in CancelReason]


def test_documented_refusals_have_the_statuses_of_the_api() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|", DOCUMENT, re.MULTILINE)
    statuses = {refusal.code: status for refusal, status in STATUS.items()}
    assert len(rows) == 11
    assert [(code, int(status)) for code, status in rows] == [
        (code, statuses[code]) for code, _ in rows
    ]
