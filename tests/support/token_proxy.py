"""An HTTP proxy that adds a token: for clients that cannot send one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

_PER_CONNECTION = ("content-length", "transfer-encoding", "connection")


@asynccontextmanager
async def adding_token(url: str, token: str) -> AsyncIterator[str]:
    """The URL of a proxy for ``url``, at the same path."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.StreamResponse:
            sent = {name: value for name, value in request.headers.items() if _is_kept(name)}
            sent["Authorization"] = f"Bearer {token}"
            async with session.request(
                request.method, url, headers=sent, data=await request.read()
            ) as answer:
                headers = {name: value for name, value in answer.headers.items() if _is_kept(name)}
                response = web.StreamResponse(status=answer.status, headers=headers)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            yield f"http://127.0.0.1:{port}/{url.partition('://')[2].partition('/')[2]}"
        finally:
            await runner.cleanup()


def _is_kept(name: str) -> bool:
    return name.lower() not in _PER_CONNECTION
