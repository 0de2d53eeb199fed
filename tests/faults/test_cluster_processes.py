"""Three hub processes under traffic: one is killed, all are restarted in turn. What was
acknowledged is there once, histories have no gap, every screen shows what the database has.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chairside.traffic.context import SimulationPlan
from chairside.traffic.simulation import Simulation, SimulationResult
from tests.faults.test_kill import (
    LONGEST_S,
    TRAFFIC_PATIENTS,
    links_of,
    traffic_flows,
)
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, NodeNetworks, fleet, fleet_with_networks
from tests.support.histories import pending, problems_of
from tests.support.process import HubProcess
from tests.support.proxy import Network
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

SEEDS = range(1, 13)
COMMANDS_PER_S = 40.0
"""What three hubs, PostgreSQL and the traffic itself do on two cores while one of them starts."""
LEFT_BEHIND_S = 60.0
"""What a killed node left unmarked is written down by another after half a minute."""


async def under_traffic(
    fleet: Fleet, seed: int, happens: Callable[[Simulation], Awaitable[None]]
) -> SimulationResult:
    """Traffic through the balancer while something ``happens``; then the invariants."""
    simulation = Simulation(
        SimulationPlan(
            url=fleet.balancer.url,
            links=links_of(fleet.template),
            seconds=LONGEST_S,
            patients=TRAFFIC_PATIENTS,
            commands_per_s=COMMANDS_PER_S,
            seed=seed,
        )
    )
    async with asyncio.TaskGroup() as tasks:
        traffic = tasks.create_task(simulation.run())
        await traffic_flows(simulation)
        await happens(simulation)
        await traffic_flows(simulation)
        simulation.finish()
    result = traffic.result()
    assert result.problems == []
    assert problems_of(fleet.database) == []
    return result


@pytest.mark.timeout(240)
async def test_a_killed_node_is_replaced_within_ten_seconds(
    postgres_template: Template, tmp_path: Path
) -> None:
    await _kill_nodes(postgres_template, tmp_path, kills=1, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
async def test_many_killed_nodes_lose_nothing(
    postgres_template: Template, tmp_path: Path, seed: int
) -> None:
    await _kill_nodes(postgres_template, tmp_path, kills=3, seed=seed)


async def _kill_nodes(template: Template, folder: Path, kills: int, seed: int) -> None:
    chance, took = random.Random(seed), []
    async with fleet(template, folder) as hubs:

        async def kill(simulation: Simulation) -> None:
            for turn in range(kills):
                owners = set(filter(None, hubs.owners().values()))
                owning = [each for each in hubs.hubs if hubs.node_of(each) in owners]
                victim = chance.choice(owning)
                node = hubs.node_of(victim)
                lost = next(d for d, owner in hubs.owners().items() if owner == node)
                await victim.kill()
                began = time.monotonic()
                other = next(each for each in hubs.hubs if each.runs)
                await _books(hubs, other, lost, turn)
                took.append(time.monotonic() - began)
                await victim.start()
                await hubs.all_show(simulation)
                await traffic_flows(simulation)

        result = await under_traffic(hubs, seed, kill)
        if kills > 1:
            left = await eventually(lambda: not pending(hubs.database), LEFT_BEHIND_S)
            assert left, "what the killed nodes did not write down, the others did"
    assert max(took) < 10.0, took
    print(
        f"\ntaken over after {[round(each, 1) for each in took]} s, shown after"
        f" {hubs.shown_after_s} s; {_said(result)}"
    )


async def _books(fleet: Fleet, hub: HubProcess, dentist_id: str, turn: int) -> None:
    """A witness books at that dentist, as soon as that is possible."""
    clinic = fleet.clinic(hub)
    patient = clinic.patients[TRAFFIC_PATIENTS + turn]
    dentist = next(each for each in clinic.dentists if each.id == dentist_id)
    body = clinic.slot(dentist=dentist) | {
        "start": clinic.at("09:00", dentist=dentist, days=90 + turn)
    }

    async def booked() -> bool:
        answer = await clinic.api(patient).post(
            "/api/appointments", body, idempotency_key=f"witness-{turn}"
        )
        assert answer.status in (201, 503), answer.body
        return answer.status == 201

    assert await eventually(booked, 20.0)


@pytest.mark.timeout(240)
async def test_no_request_fails_during_a_rolling_restart(
    postgres_template: Template, tmp_path: Path
) -> None:
    await _restart_nodes(postgres_template, tmp_path, rounds=1, seed=7)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [8, 9, 10])
async def test_no_request_fails_during_many_rolling_restarts(
    postgres_template: Template, tmp_path: Path, seed: int
) -> None:
    await _restart_nodes(postgres_template, tmp_path, rounds=5, seed=seed)


async def _restart_nodes(template: Template, folder: Path, rounds: int, seed: int) -> None:
    async with fleet(template, folder) as hubs:

        async def restart(simulation: Simulation) -> None:
            for hub in hubs.hubs * rounds:
                assert await hub.stop() == 0
                await hub.start()
                await hubs.all_show(simulation)
                await asyncio.sleep(0.5)  # the balancer finds it

        result = await under_traffic(hubs, seed, restart)
        assert await eventually(lambda: not pending(hubs.database), 10.0)
    refused = result.statistics.refusals
    assert not {"UNAVAILABLE", "CONNECTION_LOST", "CALENDAR_BUSY"} & set(refused), refused
    print(f"\nrestarted in turn, shown after {hubs.shown_after_s} s; {_said(result)}")


def _said(result: SimulationResult) -> str:
    return (
        f"{result.ledger.bookings} bookings, {result.findings.events} events on"
        f" {result.sockets} sockets, {result.reconnections} reconnections,"
        f" refused: {dict(result.statistics.refusals)}"
    )


# --- anything, anywhere ------------------------------------------------------------------


@dataclass
class Chaos:
    """One failure at a time, chosen by the seed; each heals before the next."""

    fleet: Fleet
    networks: list[NodeNetworks]
    valkey: ValkeyServer
    chance: random.Random
    faults: list[str] = field(default_factory=list)

    async def once(self) -> None:
        number = self.chance.randrange(3)
        kind = self.chance.choice(
            [
                *("stall postgres", "cut postgres", "stall redis", "stall nodes", "kill node"),
                *("kill redis", "hang redis", "flush redis", "kill postgres", "one way"),
            ]
        )
        self.faults.append(f"{kind} {number}")
        networks, lasts_s = self.networks[number], self.chance.uniform(0.5, 9.0)
        match kind:
            case "stall postgres" | "stall redis" | "stall nodes":
                await self._stalled(getattr(networks, kind.split()[1]), lasts_s, up=True, back=True)
            case "one way":
                wire = self.chance.choice([networks.postgres, networks.redis, networks.nodes])
                up = self.chance.random() < 0.5
                await self._stalled(wire, lasts_s, up=up, back=not up)
            case "cut postgres":
                networks.postgres.cut()
            case "kill node":
                await self.fleet.hubs[number].kill()
                await asyncio.sleep(lasts_s)
                await self.fleet.hubs[number].start()
            case "kill redis":
                await asyncio.to_thread(self.valkey.kill)
                await asyncio.sleep(lasts_s)
                await asyncio.to_thread(self.valkey.start)
            case "hang redis":
                self.valkey.hang()
                await asyncio.sleep(lasts_s)
                self.valkey.wake()
            case "flush redis":
                await asyncio.to_thread(self.valkey.execute, "FLUSHALL")
            case "kill postgres":
                await asyncio.to_thread(self.fleet.database.server.kill)
                await asyncio.sleep(lasts_s)
                await asyncio.to_thread(self.fleet.database.server.start)

    async def _stalled(self, wire: Network, lasts_s: float, *, up: bool, back: bool) -> None:
        wire.stall(up=up, back=back)
        await asyncio.sleep(lasts_s)
        if self.chance.random() < 0.5:
            wire.cut()
        wire.flow()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
async def test_the_invariants_hold_after_random_faults(
    postgres_template: Template, tmp_path: Path, seed: int
) -> None:
    valkey = ValkeyServer()
    valkey.start()
    async with fleet_with_networks(postgres_template, tmp_path, valkey) as (hubs, networks):
        chaos = Chaos(hubs, networks, valkey, random.Random(seed))

        async def happens(simulation: Simulation) -> None:
            for _ in range(8):
                await chaos.once()
                await hubs.all_show(simulation)
                await traffic_flows(simulation)

        try:
            result = await under_traffic(hubs, seed, happens)
        finally:
            print(f"\n{chaos.faults}, shown after {hubs.shown_after_s} s")
        left = await eventually(lambda: not pending(hubs.database), LEFT_BEHIND_S)
        assert left, "what was left unmarked, another node marked"
    valkey.remove()
    print(_said(result))
