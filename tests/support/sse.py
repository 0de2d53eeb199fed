"""Reads ``text/event-stream`` in tests, strictly by the standard."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    event: str
    data: Any
    id: str | None
    retry_ms: int | None


class Listener:
    """One stream: its frames so far, and whether it has ended."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.comments = 0
        self.ended = False
        self._arrived = asyncio.Event()

    async def read(self, response: aiohttp.ClientResponse) -> None:
        lines: list[str] = []
        try:
            async for raw in response.content:
                line = raw.decode().removesuffix("\n").removesuffix("\r")
                if line:
                    lines.append(line)
                    continue
                self._take(lines)
                lines = []
        except aiohttp.ClientError:
            pass
        finally:
            self.ended = True
            self._arrived.set()

    def _take(self, lines: Sequence[str]) -> None:
        fields: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        if "data" in fields:
            retry = fields.get("retry")
            frame = Frame(
                event=fields["event"],
                data=json.loads(fields["data"]),
                id=fields.get("id"),
                retry_ms=int(retry) if retry else None,
            )
            self.frames.append(frame)
        elif "" in fields:
            self.comments += 1
        self._arrived.set()

    async def until(self, count: int, within_s: float = 5.0) -> list[Frame]:
        """The first ``count`` frames; fewer after the timeout or the end of the stream."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while len(self.frames) < count and not self.ended:
                    self._arrived.clear()
                    await self._arrived.wait()
        return self.frames[:count]

    async def event(self, type: str, within_s: float = 5.0) -> Frame:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not any(frame.event == type for frame in self.frames) and not self.ended:
                    self._arrived.clear()
                    await self._arrived.wait()
        return next(frame for frame in self.frames if frame.event == type)

    async def end(self, within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not self.ended:
                self._arrived.clear()
                await self._arrived.wait()

    @property
    def events(self) -> list[Frame]:
        """Without the hub's own events, such as ``hub:ready``."""
        return [frame for frame in self.frames if ":" not in frame.event]

    @property
    def positions(self) -> list[tuple[str, int]]:
        return [(frame.data["channel"], frame.data["offset"]) for frame in self.events]

    @property
    def last_id(self) -> str:
        return next(frame.id for frame in reversed(self.frames) if frame.id is not None)


@contextlib.asynccontextmanager
async def listening(
    session: aiohttp.ClientSession,
    url: str,
    token: str,
    channels: Sequence[str],
    *,
    since: Sequence[str] = (),
    last_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Listener]:
    """Open a stream of the channels and read it until the block ends."""
    sent = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", **(headers or {})}
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    query = [("channel", name) for name in channels] + [("since", position) for position in since]
    listener = Listener()
    async with session.get(
        f"{url}/api/changes", params=query, headers=sent, timeout=aiohttp.ClientTimeout(total=None)
    ) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        reading = asyncio.create_task(listener.read(response))
        try:
            yield listener
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
