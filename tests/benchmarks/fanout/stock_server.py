"""python-socketio on aiohttp and uvloop, as its documentation shows it."""

import asyncio
from typing import Any

import socketio  # type: ignore[import-untyped]  # ships no types
import uvloop
from aiohttp import web

from tests.benchmarks.fanout.script import (
    EVENT,
    FIRST_OFFSET,
    NAMESPACE,
    PING_S,
    controlled,
    envelope,
)

server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=PING_S)


@server.on("connect", namespace=NAMESPACE)  # type: ignore[untyped-decorator]  # the library's
async def connect(sid: str, environ: Any, auth: Any) -> None:
    await server.emit("hub:ready", {}, to=sid, namespace=NAMESPACE)


@server.on("channel:join", namespace=NAMESPACE)  # type: ignore[untyped-decorator]  # the library's
async def join(sid: str, body: Any) -> Any:
    await server.enter_room(sid, body["channel"], namespace=NAMESPACE)
    return {"ok": True, "data": body}


@server.on("channel:leave", namespace=NAMESPACE)  # type: ignore[untyped-decorator]  # the library's
async def leave(sid: str, body: Any) -> Any:
    return {"ok": True, "data": body}


async def main() -> None:
    offset = FIRST_OFFSET

    async def publish(channel: str, count: int, stamp: str) -> None:
        nonlocal offset
        for _ in range(count):
            offset += 1
            message = envelope(channel, offset, stamp)
            await server.emit(EVENT, message, room=channel, namespace=NAMESPACE)

    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    await controlled(runner.addresses[0][1], publish)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main())
