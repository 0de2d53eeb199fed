"""A request takes no more Python calls than its budget: in the hub's code and aiohttp's."""

import asyncio
import sys
from collections.abc import Iterator
from types import FrameType

import orjson
import pytest
from aiohttp import web

from api.app import create_app
from api.settings import ApiSettings
from tests.support.logs import Logs, captured_logs
from tests.unit.api_world import DENTIST, TYPE, World, reply

CALLS = 200
"""Of Python functions, from the bytes of a booking's request to those of its response, without
what the services do; the log line and the metrics are included."""
ROUNDS, AT_ONCE = 5, 16


@pytest.fixture
def logs() -> Iterator[Logs]:
    with captured_logs() as logs:
        yield logs


class Transport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()
        self.last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.last = bytes(data)
        self.written.set()

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...


def booking(world: World) -> bytes:
    body = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": "2027-03-08T09:00:00Z"}
    text = orjson.dumps(body)
    head = (
        "POST /api/appointments HTTP/1.1",
        "Host: hub",
        f"Authorization: Bearer {world.token()}",
        "Idempotency-Key: k",
        "Content-Type: application/json",
        f"Content-Length: {len(text)}",
    )
    return "\r\n".join((*head, "", "")).encode() + text


@pytest.mark.usefixtures("logs")
async def test_a_booking_takes_no_more_calls_than_its_budget() -> None:
    world, count = World(ApiSettings(), rate_per_s=1_000, burst=1_000), 0
    world.bookings.results["book"] = reply()
    runner = web.AppRunner(create_app(world.deps, world.chat), access_log=None)
    await runner.setup()
    assert runner.server is not None
    connections = [(runner.server(), Transport()) for _ in range(AT_ONCE)]
    for connection, transport in connections:
        connection.connection_made(transport)
    request = booking(world)

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before, fewest = sys.getprofile(), sys.maxsize
    try:
        for _ in range(ROUNDS):
            count = 0
            sys.setprofile(counted)
            for connection, _ in connections:
                connection.data_received(request)
            for _, transport in connections:
                await transport.written.wait()
            sys.setprofile(before)
            for _, transport in connections:
                assert transport.last.startswith(b"HTTP/1.1 201 ")
                transport.written.clear()
            fewest = min(fewest, count // AT_ONCE)
    finally:
        sys.setprofile(before)
        for connection, _ in connections:
            connection.connection_lost(None)
        await runner.cleanup()
    assert 0 < fewest <= CALLS, fewest
