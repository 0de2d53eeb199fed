"""Sockets that never read: memory stays bounded, and all other clients get every event."""

import time
from contextlib import closing
from urllib.request import Request, urlopen

import pytest

from tests.benchmarks.fanout.contestants import HUB, Server, running
from tests.benchmarks.fanout.measures import room
from tests.support.tokens import token

SLOW = 100
READERS = 5
MEBIBYTE = 1 << 20
BOUND_BYTES = MEBIBYTE
"""``realtime.max_buffer_bytes`` as it is by default."""
ROOM = room(SLOW)


def slow_readers(server: Server) -> int:
    request = Request(
        f"http://127.0.0.1:{server.ports['port']}/metrics",
        headers={"Authorization": f"Bearer {token('admin', 'an admin')}"},
    )
    with urlopen(request) as answer:  # noqa: S310  # the address is ours
        lines = answer.read().decode().splitlines()
    (value,) = [
        line.split()[1] for line in lines if line.startswith("chairside_slow_readers_total")
    ]
    return round(float(value))


def growth_in_mib(server: Server, events: int) -> list[float]:
    """The server's memory above what it was, after each tenth of the events."""
    server.crowd.connect(READERS)
    server.crowd.join(ROOM, READERS)
    server.crowd.saturate(ROOM, READERS, 0.2, window=32)  # what the first events cost once
    grown = []
    with closing(server.new_crowd(receive_buffer_bytes=4_096)) as never_reading:
        never_reading.connect(SLOW)
        never_reading.join(ROOM, SLOW)
        before = server.memory_bytes()
        for _ in range(10):
            server.crowd.follow(ROOM, READERS, events // 10, window=64)
            grown.append((server.memory_bytes() - before) / MEBIBYTE)
    return grown


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "events", [15_000, pytest.param(100_000, marks=pytest.mark.long, id="100000")]
)
def test_a_hundred_sockets_that_never_read_use_bounded_memory(events: int) -> None:
    with running(HUB) as server:
        grown = growth_in_mib(server, events)
        deadline = time.monotonic() + 5
        while slow_readers(server) < SLOW and time.monotonic() < deadline:
            time.sleep(0.05)
        assert slow_readers(server) == SLOW, "each is closed, and counted once"
    print(f"MiB above the start, by tenths of {events} events: {[round(mib) for mib in grown]}")
    # what a room has not read is in memory once, not a mebibyte for each of its sockets
    assert max(grown) < SLOW * BOUND_BYTES / MEBIBYTE / 2
    assert grown[-1] - grown[-3] < 10, "flat once they are gone"
