"""One Engine.IO session shares the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from api.realtime.engineio.session import EngineSession, SessionCallbacks
from api.realtime.engineio.websocket import WebSocket
from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.send_buffer import SendPolicy
from api.realtime.rooms.settings import RealtimeSettings


class EagerWebSocket:
    """A WebSocket on which this many messages have already arrived."""

    byte_transport = None
    deflates = False

    def __init__(self, messages: int) -> None:
        self._left = messages
        self.handled_now = 0

    def handle_now(self, handler: Callable[[str], bool]) -> None:
        """As many again arrive in one iteration of the event loop."""
        self.handled_now = sum(handler("42[]") for _ in range(self._left))

    async def receive(self) -> str:
        if not self._left:
            raise ConnectionResetError
        self._left -= 1
        return "42[]"

    async def send(self, message: str) -> None:
        raise AssertionError(message)

    async def close(self) -> None: ...

    def abort(self) -> None: ...


class MessageHandler:
    """Handles half of the messages synchronously, and the others in a coroutine."""

    def __init__(self, *, now: bool = False) -> None:
        self.taken, self._now = 0, now

    def message_now(self, _sid: str, _data: str) -> bool:
        return self._now

    def message(self, _sid: str, _data: str | bytes) -> Awaitable[None] | None:
        self.taken += 1
        return self._later() if self.taken % 2 else None

    async def _later(self) -> None: ...

    async def closed(self, _sid: str, _reason: str) -> None: ...

    def session(self) -> EngineSession:
        callbacks = SessionCallbacks(
            message=self.message,
            message_now=self.message_now,
            closed=self.closed,
            too_slow=lambda _sid, _bytes: None,
            forget=lambda _sid: None,
            spawn=asyncio.ensure_future,
        )
        return EngineSession(
            "sid",
            "websocket",
            settings=RealtimeSettings(),
            send_policy=SendPolicy(time_slice=TimeSlice(), max_bytes=1_000),
            callbacks=callbacks,
        )


@pytest.mark.parametrize("messages", [1, 1_000])
async def test_many_messages_at_once_do_not_block_the_event_loop(messages: int) -> None:
    handler = MessageHandler()
    serving = asyncio.create_task(
        handler.session().serve(cast("WebSocket", EagerWebSocket(messages)))
    )
    most = before = 0
    while not serving.done():
        await asyncio.sleep(0)
        most, before = max(most, handler.taken - before), handler.taken
    assert handler.taken == messages
    assert most <= 16


async def test_few_messages_are_handled_while_they_are_read() -> None:
    """The others wait for the task that serves, and the event loop runs in between."""
    websocket = EagerWebSocket(1_000)
    await MessageHandler(now=True).session().serve(cast("WebSocket", websocket))
    assert websocket.handled_now == 16
