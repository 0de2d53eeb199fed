"""Histories of real hubs with faults, judged by both checkers.

Two windows of each of three patients race for sixteen times of a day, at each of three calendars,
and the dentist reads them. ``make histories`` runs each fault many times.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.histories.recording import Recorder, judge
from tests.support.clinic import Clinic
from tests.support.eventually import eventually
from tests.support.fleet import NodeNetworks, fleet_with_networks
from tests.support.histories import problems_of
from tests.support.process import UNLIMITED, HubProcess, hub_process
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

OPERATIONS = (80, 200)
"""Before and after a fault: anywhere in the work of the hubs."""
ACT_S = 60.0
LEASE_S = 2.0
QUICK = {"CHAIRSIDE_CLUSTER_LEASE_S": str(LEASE_S), "CHAIRSIDE_CLUSTER_RENEW_S": "0.5"}
RUNS_LONG = range(1, 41)

Fault = Callable[["Scene"], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a fault can do something to, and the chance that chooses."""

    recorder: Recorder
    hubs: Sequence[HubProcess]
    networks: Sequence[NodeNetworks] = ()
    valkey: ValkeyServer | None = None

    @property
    def chance(self) -> random.Random:
        return self.recorder.chance

    async def act(self) -> None:
        """Wait for some more operations."""
        recorded = self.recorder.operations
        enough = len(recorded) + self.chance.randint(*OPERATIONS)
        assert await eventually(lambda: len(recorded) >= enough, ACT_S)


async def killed(scene: Scene) -> None:
    hub = scene.chance.choice(scene.hubs)
    await hub.kill()
    await asyncio.sleep(LEASE_S * scene.chance.uniform(0.0, 0.5))
    await hub.start()


async def paused(scene: Scene) -> None:
    """A cluster takes its calendars over meanwhile."""
    hub = scene.chance.choice(scene.hubs)
    hub.pause()
    await asyncio.sleep(LEASE_S * scene.chance.uniform(0.3, 1.8))
    hub.wake()


async def cut_off_from_postgresql(scene: Scene) -> None:
    """In one direction, or both."""
    way = scene.chance.choice([{"up": False}, {"back": False}, {}])
    network = scene.chance.choice(scene.networks).postgres
    network.stall(**way)
    await asyncio.sleep(LEASE_S * scene.chance.uniform(0.3, 1.8))
    network.flow()


async def cut_off_from_other_nodes(scene: Scene) -> None:
    network = scene.chance.choice(scene.networks).nodes
    network.stall(**scene.chance.choice([{"up": False}, {"back": False}, {}]))
    await asyncio.sleep(LEASE_S * scene.chance.uniform(0.3, 1.8))
    network.flow()


async def without_redis(scene: Scene) -> None:
    assert scene.valkey is not None
    await asyncio.to_thread(scene.valkey.kill)
    await asyncio.sleep(LEASE_S * scene.chance.uniform(0.1, 0.5))
    await asyncio.to_thread(scene.valkey.start)


ON_ONE: Sequence[Fault] = (killed, paused)
IN_CLUSTER: Sequence[Fault] = (
    killed,
    paused,
    cut_off_from_postgresql,
    cut_off_from_other_nodes,
    without_redis,
)


def name_of(fault: Fault) -> str:
    return fault.__name__


@pytest.mark.timeout(120)
async def test_a_killed_hub_on_sqlite(template: Template, tmp_path: Path) -> None:
    await one_hub(template, tmp_path, killed, seed=1)


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", ON_ONE, ids=name_of)
@pytest.mark.parametrize("seed", RUNS_LONG)
async def test_one_hub_on_sqlite(
    template: Template, tmp_path: Path, fault: Fault, seed: int
) -> None:
    await one_hub(template, tmp_path, fault, seed)


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", IN_CLUSTER, ids=name_of)
@pytest.mark.parametrize("seed", RUNS_LONG)
async def test_three_nodes_on_postgresql(
    postgres_template: Template, tmp_path: Path, valkey: ValkeyServer, fault: Fault, seed: int
) -> None:
    await three_nodes(postgres_template, tmp_path, valkey, fault, seed)


async def one_hub(template: Template, folder: Path, fault: Fault, seed: int) -> None:
    database = template.copy_to(folder)
    async with (
        hub_process(database, folder, **UNLIMITED) as hub,
        aiohttp.ClientSession() as session,
    ):
        clinic = Clinic(hub.url, template.people, session, AsyncExitStack(), database)
        recorder = Recorder(clinics=[clinic], chance=random.Random(seed))
        await _record(fault, Scene(recorder=recorder, hubs=[hub]))
        counted = judge(recorder, database)
        assert problems_of(database) == []
    _report(counted)


async def three_nodes(
    template: Template, folder: Path, valkey: ValkeyServer, fault: Fault, seed: int
) -> None:
    async with fleet_with_networks(template, folder, valkey, **QUICK) as (hubs, networks):
        clinics = [hubs.clinic(each) for each in hubs.hubs]
        recorder = Recorder(clinics=clinics, chance=random.Random(seed))
        scene = Scene(recorder=recorder, hubs=hubs.hubs, networks=networks, valkey=valkey)
        await _record(fault, scene)
        counted = judge(recorder, hubs.database)
        assert problems_of(hubs.database) == []
    _report(counted)


async def _record(fault: Fault, scene: Scene) -> None:
    async def during() -> None:
        await scene.act()
        await fault(scene)
        await scene.act()

    await scene.recorder.run(during)


def _report(counted: Mapping[str, int]) -> None:
    answered = sum(number for name, number in counted.items() if "unknown" not in name)
    assert answered > OPERATIONS[0], counted
    print(f"\n{dict(sorted(counted.items()))}")
