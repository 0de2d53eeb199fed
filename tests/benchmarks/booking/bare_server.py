"""The floor: an aiohttp handler that reads a booking, answers 201 and stores nothing."""

import asyncio
from typing import Any

import uvloop
from aiohttp import web


async def book(request: web.Request) -> web.Response:
    body: dict[str, Any] = await request.json()
    return web.json_response({"id": "x", **body}, status=201)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/api/appointments", book)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main())
