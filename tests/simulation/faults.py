"""Faults: what goes wrong at a node, on the network, in Redis and with the database."""

import asyncio
from typing import TYPE_CHECKING, Final

from tests.simulation.network import CLIENTS, DATABASE, REDIS
from tests.simulation.plan import Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

_RESTART_S: Final = 0.3


async def strike(world: "World", fault: Fault) -> None:
    """Let the fault begin at its time, last, and end."""
    await asyncio.sleep(fault.at_s)
    world.trace(f"fault {fault.kind} at {fault.place}")
    place, process = fault.place, world.at(fault.place)
    match fault.kind:
        case "kill" | "kill_at_commit" | "stop":
            await _end_process(world, fault)
        case "pause":
            process.pause()
            await asyncio.sleep(fault.for_s)
            process.resume()
        case "cut_database":
            await _cut(world, fault, (place, DATABASE), (DATABASE, place))
        case "cut_from_database":
            await _cut(world, fault, (DATABASE, place))
        case "cut_redis":
            both = [(place, REDIS), (REDIS, place)]
            await _cut(world, fault, *both[: 1 + (fault.picks[0] < 0.6)])
        case "cut_node":
            others = [other for other in world.places if other != place]
            away, here = [(place, each) for each in others], [(each, place) for each in others]
            await _cut(world, fault, *((away + here), away, here)[int(fault.picks[0] * 3)])
        case "cut_clients":
            await _cut(world, fault, (place, CLIENTS))
        case "late_commits":
            process.late_answers = 0.5
            await asyncio.sleep(fault.for_s)
            process.late_answers = 0.0
        case "full_disk":
            world.disk_is_full = True
            await asyncio.sleep(fault.for_s)
            world.disk_is_full = False
        case "slow":
            slow = (place, DATABASE, REDIS)[int(fault.picks[0] * 3)]
            world.network.slow.add(slow)
            await asyncio.sleep(fault.for_s)
            world.network.slow.discard(slow)
        case "set_clock":
            world.clocks[place].wrong_by_s += (fault.picks[0] - 0.5) * 4
        case "unwritable":
            process.unwritable = True
            await asyncio.sleep(fault.for_s)
            process.unwritable = False
        case "lose_entries":
            world.redis.losing = 0.5
            await asyncio.sleep(fault.for_s)
            world.redis.losing = 0.0
        case "forget_redis":
            world.redis.forget()
        case "lying_lock":
            world.lies = (place, fault.picks[0] < 0.6)
            await asyncio.sleep(fault.for_s)
            world.lies = None


async def _cut(world: "World", fault: Fault, *ways: tuple[str, str]) -> None:
    world.network.cut.update(ways)
    await asyncio.sleep(fault.for_s)
    world.network.cut.difference_update(ways)


async def _end_process(world: "World", fault: Fault) -> None:
    """Kill or stop the process, and start it again after a while."""
    process = world.at(fault.place)
    if not process.ready:
        return
    if fault.kind == "kill":
        process.kill()
    elif fault.kind == "stop":
        process.stop()
    else:
        process.dies_at_commit = ("before", "during", "after")[int(fault.picks[0] * 3)]
    while process.alive and not world.healing:  # noqa: ASYNC110  # polls the world
        await asyncio.sleep(0.1)
    await asyncio.sleep(_RESTART_S + fault.for_s)
    if not process.alive:
        world.start(fault.place)
