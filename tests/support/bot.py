"""A chatbot in a process of its own: it speaks REST and the event stream, nothing else.

Run as a program it reads one JSON command a line and answers with one JSON line each; every
event of its channels is a line, too. :class:`BotProcess` is the other end.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from chairside.client import ChangeStream, HubClient, HubError, HubEvent, SlotCache
from chairside.client.shapes import DentistAvailability

ROOT = Path(__file__).parents[2]


# --- in the process ---------------------------------------------------------------------


class CountingClient(HubClient):
    """Counts the requests for slots."""

    requests = 0

    async def availability(self, dentist_id: str, **options: Any) -> DentistAvailability:
        self.requests += 1
        return await super().availability(dentist_id, **options)


class Bot:
    def __init__(self, session: aiohttp.ClientSession, told: Mapping[str, Any]) -> None:
        self._session, self._url, self._token = session, told["url"], told["token"]
        self._patient = told["patient"]
        self.everybody = CountingClient(self._url, token=self._token, session=session)
        self.acting = HubClient(
            self._url, token=self._token, session=session, on_behalf_of=self._patient
        )
        self.cache = SlotCache(
            self.everybody,
            session=session,
            token=self._token,
            **told["settings"],
        )
        self.stream = ChangeStream(
            self._url,
            token=self._token,
            on_behalf_of=self._patient,
            since={f"appointments:patient:{self._patient}": None},
            on_event=self._event,
            on_refetch=lambda _channel, _place: None,
            session=session,
        )

    def _event(self, event: HubEvent) -> None:
        say({"event": event.type, "data": event.data})

    async def do(self, command: dict[str, Any]) -> Any:
        match command.pop("do"):
            case "book":
                began = time.monotonic()
                booked = await self.acting.book_slot(**command)
                return {"booked": booked, "took_s": time.monotonic() - began}
            case "free":
                free = await self.cache.free(
                    command["appointment_type_id"],
                    starts_from=datetime.fromisoformat(command["starts_from"]),
                    starts_before=datetime.fromisoformat(command["starts_before"]),
                    dentist_ids=[command["dentist_id"]],
                )
                return {
                    "starts": [slot.start.isoformat() for slot in free.slots],
                    "from_memory": free.from_memory,
                    "age_s": free.age_s,
                    "requests": self.everybody.requests,
                }
            case other:
                raise ValueError(other)


def say(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


async def main() -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as session:
        bot = Bot(session, json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
        async with bot.cache, bot.stream:
            while not bot.stream.connected:  # noqa: ASYNC110  # it has no event for that
                await asyncio.sleep(0.01)
            say({"ready": True})
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                command = json.loads(line)
                number = command.pop("number")
                try:
                    say({"number": number, "answer": await bot.do(command)})
                except HubError as error:
                    say({"number": number, "refused": error.code})


# --- in the test ------------------------------------------------------------------------


class BotProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.ready = False
        self._arrived = asyncio.Event()

    async def read(self) -> None:
        assert self._process.stdout is not None
        while raw := await self._process.stdout.readline():
            line = json.loads(raw)
            if "number" in line:
                self._answers[line["number"]] = line
            elif "event" in line:
                self.events.append(line)
            else:
                self.ready = True
            self._arrived.set()

    async def ask(self, do: str, **command: Any) -> Any:
        """The bot's answer; ``{"refused": code}`` if the hub said no."""
        self._numbers += 1
        number = self._numbers
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"number": number, "do": do, **command}).encode())
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(10):
            while number not in self._answers:
                self._arrived.clear()
                await self._arrived.wait()
        line = self._answers[number]
        return line.get("answer", line)

    async def event(self, type: str, within_s: float, **fields: Any) -> dict[str, Any]:
        """The first event of this type whose data has these fields."""

        def found() -> dict[str, Any] | None:
            for each in self.events:
                if each["event"] == type and fields.items() <= each["data"].items():
                    return each
            return None

        async with asyncio.timeout(within_s):
            while (event := found()) is None:
                self._arrived.clear()
                await self._arrived.wait()
        return event


@contextlib.asynccontextmanager
async def bot_process(
    url: str, token: str, patient_id: str, **settings: Any
) -> AsyncIterator[BotProcess]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.bot"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    bot = BotProcess(process)
    reading = asyncio.create_task(bot.read())
    assert process.stdin is not None
    told = {"url": url, "token": token, "patient": patient_id, "settings": settings}
    process.stdin.write(json.dumps(told).encode() + b"\n")
    try:
        async with asyncio.timeout(20):
            while not bot.ready:
                assert process.returncode is None, "the bot did not start"
                await asyncio.sleep(0.02)
        yield bot
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading


if __name__ == "__main__":
    asyncio.run(main())
