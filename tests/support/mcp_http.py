"""The MCP server over streamable HTTP, in this process, on a free port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from chairside.mcp.process import serve_http
from hub import __version__
from tests.support.eventually import eventually
from tests.support.ports import free_port


@asynccontextmanager
async def serving_http(
    hub_url: str, *, host: str = "127.0.0.1", origins: tuple[str, ...] = ()
) -> AsyncIterator[str]:
    """The URL of its endpoint."""
    port = free_port()
    stopping = asyncio.Event()
    server = asyncio.create_task(
        serve_http(hub_url, __version__, host=host, port=port, origins=origins, stopping=stopping)
    )
    url = f"http://127.0.0.1:{port}/mcp"

    async def answers() -> bool:
        assert not server.done(), "it serves until it is stopped"
        try:
            async with aiohttp.request("POST", url) as answer:
                return answer.status == 401
        except aiohttp.ClientConnectionError:
            return False

    try:
        assert await eventually(answers, 10)
        yield url
    finally:
        stopping.set()
        await asyncio.wait_for(server, 10)
