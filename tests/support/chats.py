"""Two chatbot clients: a page that posts to ``/api/chat``, and ``chairside chat``."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.api import Answer, Api
from tests.support.clinic import CHATBOT, Clinic, Person
from tests.support.commandline import ROOT, environment

STARTS_WITHIN_S = 20
REPLIES_WITHIN_S = 5


class Page:
    """Keeps the chat state, and posts the patient's messages and the hub's events."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.state: str | None = None
        self.watch: list[str] = []

    async def begin(self) -> str:
        return await self._replies({})

    async def send(self, message: str) -> str:
        return await self._replies({"message": message})

    async def post_event(self, event: dict[str, Any]) -> str:
        return await self._replies({"event": event})

    async def post(self, **body: Any) -> Answer:
        """Post any body; the kept state does not change."""
        state = {"state": self.state} if self.state else {}
        return await self._api.post("/api/chat", {**state, **body})

    async def _replies(self, body: dict[str, Any]) -> str:
        answer = await self.post(**body)
        assert answer.status == 200, answer.body
        self.state, self.watch = answer.body["state"], answer.body["watch"]
        return "\n".join(reply["text"] for reply in answer.body["replies"])


class Typist:
    """Types lines and reads the replies of ``chairside chat --json``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self._in, self._out = process.stdin, process.stdout

    async def send(self, line: str) -> str:
        """The replies to a line; notices before them are skipped."""
        self._in.write(line.encode() + b"\n")
        await self._in.drain()
        return await self._until(REPLIES_WITHIN_S, notice=False)

    async def notice(self, text: str, within_s: float) -> str:
        """The replies of the first notice that contains ``text``."""
        until = time.monotonic() + within_s
        while text not in (found := await self._until(until - time.monotonic(), notice=True)):
            pass
        return found

    async def _until(self, within_s: float, *, notice: bool) -> str:
        """The next replies whose first one is (or is not) a notice."""
        async with asyncio.timeout(within_s):
            while True:
                replies = await self._up_to_prompt()
                if (bool(replies) and replies[0]["notice"]) is notice:
                    return "\n".join(reply["text"] for reply in replies)

    async def _up_to_prompt(self) -> list[dict[str, Any]]:
        replies: list[dict[str, Any]] = []
        while True:
            line = await self._out.readline()
            assert line, "the process runs until its input ends"
            shown = json.loads(line)
            if "ready" in shown:
                return replies
            replies.append(shown)

    async def greeting(self) -> str:
        return await self._until(STARTS_WITHIN_S, notice=False)


@asynccontextmanager
async def chatting(clinic: Clinic, patient: Person) -> AsyncIterator[Typist]:
    """``chairside chat`` with the clinic's chatbot token, for this patient."""
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
        await typist.greeting()
        yield typist
        assert process.stdin
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
