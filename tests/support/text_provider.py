"""A provider of text messages with the interface of Twilio."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import encode_basic_auth, web

from hub.messages.settings import SmsSettings

ACCOUNT, TOKEN, SENDER = "AC0123", "a token", "+43720123456"


@dataclass
class TextProvider:
    url: str = ""
    texts: list[dict[str, str]] = field(default_factory=list)
    """The accepted ones."""
    refusals: deque[tuple[int, int]] = field(default_factory=deque)
    """Status and code of the next responses."""

    async def handle(self, request: web.Request) -> web.Response:
        assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        assert request.headers["Authorization"] == encode_basic_auth(ACCOUNT, TOKEN)
        form = await request.post()
        if self.refusals:
            status, code = self.refusals.popleft()
            return web.json_response({"code": code, "message": "no"}, status=status)
        self.texts.append({name: str(value) for name, value in form.items()})
        return web.json_response({"sid": "SM1", "status": "queued"}, status=201)

    @property
    def settings(self) -> SmsSettings:
        return SmsSettings(
            account=ACCOUNT, token=TOKEN, sender=SENDER, api_url=self.url, timeout_s=1.0
        )


@asynccontextmanager
async def text_provider() -> AsyncIterator[TextProvider]:
    provider = TextProvider()
    app = web.Application()
    app.router.add_post("/{path:.*}", provider.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()
