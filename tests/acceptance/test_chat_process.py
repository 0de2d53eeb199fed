"""The chatbot as a process of its own, which knows the hub from its wires only.

Criteria 1.1, 2.5 and 3.1, 3.3 with ``chairside chat``: what it does is seen in time, and what
others do it tells its patient in time.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.support.clinic import CHATBOT, Clinic, Person, appointments_of
from tests.support.commandline import ROOT, environment
from tests.support.database import rows

STARTS_WITHIN_S = 20
ANSWERS_WITHIN_S = 5


class Typist:
    """Types lines and reads what the process answers, one JSON object a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout

    async def read(self, within_s: float) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            line = await self._out.readline()
        assert line, "it goes on until its input ends"
        said: dict[str, Any] = json.loads(line)
        return said

    async def until(self, wanted: Callable[[dict[str, Any]], bool], within_s: float) -> str:
        """All that is said until then, joined."""
        said: list[str] = []
        until = time.monotonic() + within_s
        while True:
            heard = await self.read(until - time.monotonic())
            said.append(heard.get("text", ""))
            if wanted(heard):
                return "\n".join(said)

    async def say(self, line: str) -> str:
        self._in.write(line.encode() + b"\n")
        await self._in.drain()
        return await self.until(lambda heard: "ready" in heard, ANSWERS_WITHIN_S)

    async def notice(self, text: str, within_s: float) -> None:
        await self.until(lambda heard: text in heard.get("text", ""), within_s)
        await self.until(lambda heard: "ready" in heard, within_s)


@asynccontextmanager
async def chatting(clinic: Clinic, patient: Person) -> AsyncIterator[Typist]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub.cli", "chat", "--json"),
        cwd=ROOT,
        env=environment(
            CHAIRSIDE_URL=clinic.url, CHAIRSIDE_TOKEN=CHATBOT, CHAIRSIDE_PATIENT=patient.id
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        typist = Typist(process)
        await typist.until(lambda heard: "ready" in heard, STARTS_WITHIN_S)
        yield typist
        assert process.stdin
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_r1_1_and_r3_3_a_booking_by_the_chatbot_is_committed_and_seen_in_time(
    clinic: Clinic,
) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    on_dashboard = await clinic.screen(dentist)
    on_phone = await clinic.screen(patient)
    async with chatting(clinic, patient) as bot:
        assert "09:00" in await bot.say("check-up with Dentist 0 in 3 days after 9am")
        assert "Shall I book it?" in await bot.say("the first one")
        began = time.monotonic()
        assert "Booked" in await bot.say("yes")
        assert time.monotonic() - began < 0.5, "committed and said"
        for screen in (on_dashboard, on_phone):
            seen = await screen.event("appointment.created", 1.0)
            assert seen.at - began < 1.0
            assert seen.resource["created_via"] == "chatbot"
    (row,) = rows(clinic.database, "SELECT * FROM appointments WHERE status = 'confirmed'")
    said = (row["created_via"], row["changed_by"], row["on_behalf_of"])
    assert said == ("chatbot", "clinic-chatbot", patient.id)


async def test_r2_5_and_r3_1_what_others_do_is_told_in_time(clinic: Clinic) -> None:
    patient, dentist = clinic.patients[0], clinic.dentists[0]
    booked = await clinic.book(patient, "16:00")
    async with chatting(clinic, patient) as bot:
        assert "16:00" in await bot.say("my appointments")
        assert "09:00" in await bot.say("check-up with Dentist 0 in 3 days after 9am")
        await clinic.book(clinic.patients[1], "09:00")
        await bot.notice("was just taken by somebody else", 2.0)
        moved = await clinic.api(dentist).put(
            f"/api/appointments/{booked['id']}", {"start": clinic.at("17:00")}
        )
        assert moved.status == 200, moved.body
        await bot.notice("at 17:00", 1.0)
        assert (await clinic.api(dentist).delete(f"/api/appointments/{booked['id']}")).status == 204
        await bot.notice("was cancelled", 1.0)
    assert appointments_of(patient)
