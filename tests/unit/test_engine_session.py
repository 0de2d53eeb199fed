"""One Engine.IO session: what it takes, and that it shares the event loop."""

import asyncio
from collections.abc import Awaitable

import pytest

from api.realtime.engineio.session import Beat, EngineSession, Owner
from api.realtime.rooms.fairness import Turns
from api.realtime.rooms.send_buffer import Sending


class Eager:
    """A WebSocket on which so many messages have come already."""

    writable = None
    deflates = False

    def __init__(self, messages: int) -> None:
        self._left = messages

    async def wait(self) -> str:
        if not self._left:
            raise ConnectionResetError
        self._left -= 1
        return "42[]"

    async def send(self, message: str) -> None:
        raise AssertionError(message)

    async def close(self) -> None: ...

    def abort(self) -> None: ...


class Hub:
    """Whom the session tells; half of the messages are done with at once."""

    def __init__(self) -> None:
        self.taken = 0

    def message(self, _sid: str, _data: str | bytes) -> Awaitable[None] | None:
        self.taken += 1
        return self._later() if self.taken % 2 else None

    async def _later(self) -> None: ...

    async def closed(self, _sid: str, _reason: str) -> None: ...

    def session(self) -> EngineSession:
        owner = Owner(
            message=self.message,
            closed=self.closed,
            slow=lambda _sid, _bytes: None,
            forget=lambda _sid: None,
            spawn=asyncio.ensure_future,
        )
        return EngineSession(
            "sid",
            "websocket",
            beat=Beat(interval_s=25, timeout_s=20, max_payload_bytes=1_000),
            sending=Sending(turns=Turns(), max_bytes=1_000),
            owner=owner,
        )


@pytest.mark.parametrize("messages", [1, 1_000])
async def test_whoever_sends_much_at_once_lets_others_in(messages: int) -> None:
    hub = Hub()
    serving = asyncio.create_task(hub.session().serve(Eager(messages)))
    most = before = 0
    while not serving.done():
        await asyncio.sleep(0)
        most, before = max(most, hub.taken - before), hub.taken
    assert hub.taken == messages
    assert most <= 16
