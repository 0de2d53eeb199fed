"""The event loop of the simulation, and what may not be real inside it."""

import asyncio
import secrets
import socket
import threading
import time
from contextvars import copy_context
from random import Random

import pytest

from tests.simulation import loop as simulated
from tests.simulation.loop import OWNER, NotSimulated, Stalled
from tests.simulation.sandbox import sandbox


class SimulatedLoop(simulated.SimulatedLoop):
    """Is closed when a test lets go of it."""

    def __del__(self) -> None:
        self.close()


class Machine:
    def __init__(self) -> None:
        self.alive, self.paused = True, False
        self.deferred: list[asyncio.Handle] = []
        self.context = copy_context()
        self.context.run(OWNER.set, self)


def test_time_jumps_to_the_next_timer() -> None:
    loop = SimulatedLoop(Random(1))
    began_s = time.monotonic()
    loop.run_until_complete(asyncio.sleep(3_600))
    assert 3_600 <= loop.time() < 3_600.01
    assert time.monotonic() - began_s < 60


def test_the_seed_orders_timers_that_are_due_together() -> None:
    def order(seed: int) -> list[int]:
        loop, found = SimulatedLoop(Random(seed)), list[int]()
        for number in range(8):
            loop.call_later(1, found.append, number)
        loop.run_until_complete(asyncio.sleep(2))
        return found

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(5)}) > 1


def test_callbacks_run_in_the_order_in_which_they_were_scheduled() -> None:
    loop, found = SimulatedLoop(Random(1)), list[int]()
    for number in range(8):
        loop.call_soon(found.append, number)
    loop.run_until_complete(asyncio.sleep(0))
    assert found == list(range(8))


def test_a_paused_process_continues_where_it_was_and_a_killed_one_never() -> None:
    loop, found = SimulatedLoop(Random(1)), list[str]()
    paused, killed = Machine(), Machine()
    for name, machine in (("paused", paused), ("killed", killed)):
        for number in range(3):
            loop.call_later(1 + number, found.append, f"{name} {number}", context=machine.context)
    paused.paused, killed.alive = True, False
    loop.run_until_complete(asyncio.sleep(10))
    assert found == []
    paused.paused = False
    loop.continue_process(paused)
    loop.run_until_complete(asyncio.sleep(10))
    assert found == ["paused 0", "paused 1", "paused 2"]


def test_a_loop_in_which_nothing_can_happen_ends() -> None:
    loop = SimulatedLoop(Random(1))
    with pytest.raises(Stalled):
        loop.run_until_complete(loop.create_future())


def test_nothing_real_is_used_unnoticed() -> None:
    async def in_thread() -> None:
        await asyncio.to_thread(lambda: None)

    loop = SimulatedLoop(Random(1))
    with sandbox("1", lambda *_: None):
        for real in (
            lambda: socket.socket(),
            lambda: threading.Thread(target=lambda: None).start(),
            lambda: time.sleep(1),
            lambda: secrets.token_urlsafe(),
            lambda: loop.run_until_complete(in_thread()),
        ):
            with pytest.raises(NotSimulated):
                real()


def test_time_and_secrets_come_from_the_run() -> None:
    async def seen() -> tuple[float, float, str]:
        await asyncio.sleep(5)
        return time.time(), time.monotonic(), secrets.token_hex(4)

    def run() -> tuple[float, float, str]:
        with sandbox("1", lambda *_: None):
            return SimulatedLoop(Random(1)).run_until_complete(seen())

    assert run() == run()
