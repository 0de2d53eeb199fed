"""A receiver of webhooks that verifies signatures with the standardwebhooks library.

The test sets its responses.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.eventually import eventually


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    id: str
    event: dict[str, Any]
    headers: dict[str, str]
    path: str
    answered: int

    @property
    def position(self) -> tuple[str, int]:
        return self.event["channel"], int(self.event["position"].partition(".")[2])


class Receiver:
    """``answers``: statuses of the next requests; ``status``: of all later ones."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: list[str] = []
        self.status = 204
        self.answers: deque[int] = deque()
        self.headers: dict[str, str] = {}
        self.hang: Callable[[], bool] = lambda: False
        self.requests: list[Received] = []
        self.unsigned = 0
        self.now_open = 0
        self.most_open = 0
        self._freed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.now_open += 1
        self.most_open = max(self.most_open, self.now_open)
        try:
            if self.hang():
                await self._freed.wait()
            return self._answer(request, body)
        finally:
            self.now_open -= 1

    def _answer(self, request: web.Request, body: bytes) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status = self.answers.popleft() if self.answers else self.status
        if not self._is_signed(body, headers):
            self.unsigned += 1
        received = Received(
            id=headers["webhook-id"],
            event=json.loads(body),
            headers=headers,
            path=request.path,
            answered=status,
        )
        self.requests.append(received)
        return web.Response(status=status, headers=self.headers)

    def _is_signed(self, body: bytes, headers: dict[str, str]) -> bool:
        for secret in self.secrets:
            with contextlib.suppress(WebhookVerificationError):
                Webhook(secret).verify(body, headers)
                return True
        return False

    def free(self) -> None:
        self.hang = lambda: False
        self._freed.set()

    @property
    def accepted(self) -> list[Received]:
        return [each for each in self.requests if 200 <= each.answered < 300]

    @property
    def positions(self) -> list[tuple[str, int]]:
        return [each.position for each in self.accepted if "channel" in each.event]

    async def until(self, count: int, within_s: float = 5.0) -> list[Received]:
        """The first ``count`` requests that were accepted."""
        await eventually(lambda: len(self.accepted) >= count, within_s)
        assert len(self.accepted) >= count, self.accepted
        return self.accepted[:count]


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield receiver
    finally:
        receiver.free()
        await runner.cleanup()
