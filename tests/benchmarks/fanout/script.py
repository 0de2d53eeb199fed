"""What every server of the benchmark does, so that only the ways of doing it differ.

A server writes ``{"port", "control"}`` to the descriptor in ``READY_FD`` when it is ready.
Its Socket.IO clients are in namespace ``/patient``; ``channel:join {channel}`` enters a
room, and ``channel:leave {channel}`` is a command that does next to nothing. A client
of the control port sends lines ``channel count stamp``, and the server emits ``count`` events.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

NAMESPACE: Final = "/patient"
EVENT: Final = "slots.changed"
STAMP_DIGITS: Final = 20
FIRST_OFFSET: Final = 1_000_000_000
"""So that all offsets have as many digits, and all frames the same size."""
PING_S: Final = 300
"""Longer than the benchmark: a heartbeat would be counted for an event."""

ROOMS_MAX: Final = 10_000
"""Of sockets in a room; each size has a room of its own."""

Publish = Callable[[str, int, str], Awaitable[None]]
"""Emit ``count`` events to a channel; each has the stamp in its id."""


def dentist_of_room(size: int) -> str:
    return f"10000000-0000-7000-8000-{size:012}"


def data() -> dict[str, Any]:
    """Of an event that is about 400 bytes on the wire."""
    taken = [
        {
            "start": f"2027-03-08T{hour:02}:00:00Z",
            "end": f"2027-03-08T{hour:02}:45:00Z",
            "buffer_before_minutes": 0,
        }
        for hour in (9, 13)
    ]
    return {"taken": taken, "freed": [], "refetch": []}


def envelope(channel: str, offset: int, stamp: str) -> dict[str, Any]:
    return {
        "id": stamp,
        "type": EVENT,
        "channel": channel,
        "offset": offset,
        "epoch": 2,
        "time": "2027-03-01T08:00:00.000000Z",
        "data": data(),
    }


async def controlled(port: int, publish: Publish) -> None:
    """Report that the server is ready, and execute the control connection's commands."""

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            channel, count, stamp = line.decode().split()
            await publish(channel, int(count), stamp)
        writer.close()

    server = await asyncio.start_server(control, "127.0.0.1", 0)
    print_ready(port, server.sockets[0].getsockname()[1])


def print_ready(port: int, control: int) -> None:
    ready = json.dumps({"port": port, "control": control})
    os.write(int(os.environ["READY_FD"]), ready.encode() + b"\n")
