"""docs/scheduling.md: its examples are run, its tables compared with the hub."""

import json
import re
from datetime import UTC, datetime

from actors.domain.cancel_reason import CancelReason
from api.errors import STATUS
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_scheduling_cases import Desk
from tests.support.clock import FakeClock
from tests.support.commandline import ROOT

DOCUMENT = (ROOT / "docs" / "scheduling.md").read_text(encoding="utf-8")
SLOTS = re.compile(r"<!-- slots: (\S+), (\d+) minutes -->\n```text\n(.*?)\n```")


async def test_the_worked_examples_are_what_the_hub_offers(open_clinic: OpenClinic) -> None:
    first, *examples = DOCUMENT.split("<!-- schedule -->\n```json\n")
    assert (len(examples), SLOTS.search(first)) == (3, None)
    clock = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    async with open_clinic(overrides={"clock": clock}) as clinic:
        desk = Desk(clinic, clock)
        for example in examples:
            schedule, _, story = example.partition("```")
            wanted = json.loads(schedule)
            await desk.opens(zone=wanted.pop("time_zone"), **wanted)
            days = SLOTS.findall(story)
            assert len(days) >= 2
            for day, minutes, shown in days:
                await desk.offers(int(minutes))
                offered = " ".join(await desk.local(day)) or "closed"
                assert offered == shown, day


def test_every_reason_is_documented_with_its_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(reason.value, reason.fhir) for reason in CancelReason]


def test_the_refusals_are_those_of_the_one_map() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|", DOCUMENT, re.MULTILINE)
    statuses = {refusal.code: status for refusal, status in STATUS.items()}
    assert len(rows) == 10
    assert [(code, int(status)) for code, status in rows] == [
        (code, statuses[code]) for code, _ in rows
    ]
