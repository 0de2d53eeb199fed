"""PostgreSQL is killed under traffic and started again: the hub answers 503 meanwhile and
recovers by itself; what was acknowledged is there, and nothing is there twice.
"""

import asyncio
import random
from pathlib import Path

import aiohttp
import pytest

from chairside.traffic.context import SimulationPlan
from chairside.traffic.simulation import Simulation
from tests.faults.test_kill import (
    LIFE_S,
    LONGEST_S,
    TRAFFIC_DENTISTS,
    TRAFFIC_PATIENTS,
    clinic_of,
    kept,
    links_of,
    promises,
    traffic_flows,
)
from tests.support.clinic import Clinic
from tests.support.database import OnPostgres
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.process import UNLIMITED, HubProcess, hub_process
from tests.support.running import Template

KILLS, KILLS_LONG = 2, 15
BACK_S = 15.0


@pytest.mark.timeout(240)
async def test_killing_postgresql_under_traffic_loses_and_doubles_nothing(
    postgres_template: Template, tmp_path: Path
) -> None:
    await kill_again_and_again(postgres_template, tmp_path, KILLS, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_killing_postgresql_many_times_loses_and_doubles_nothing(
    postgres_template: Template, tmp_path: Path
) -> None:
    await kill_again_and_again(postgres_template, tmp_path, KILLS_LONG, seed=2)


async def kill_again_and_again(template: Template, folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        async with (
            hub_process(database, folder, **UNLIMITED) as hub,
            aiohttp.ClientSession() as session,
        ):
            simulation = Simulation(
                SimulationPlan(
                    url=hub.url,
                    links=links_of(template, TRAFFIC_DENTISTS),
                    seconds=LONGEST_S,
                    patients=TRAFFIC_PATIENTS,
                    seed=seed,
                )
            )
            async with asyncio.TaskGroup() as tasks:
                traffic = tasks.create_task(simulation.run())
                clinic = clinic_of(template, hub, session, database)
                for turn in range(kills):
                    await traffic_flows(simulation)
                    await asyncio.sleep(chance.uniform(*LIFE_S))  # anywhere in its work
                    witness = await promises(clinic, turn)
                    await asyncio.to_thread(database.server.kill)
                    await _answers_503(clinic)
                    await asyncio.to_thread(database.server.start)
                    await _is_back(hub, session)
                    await kept(witness)
                simulation.finish()
            result = traffic.result()
            left = await eventually(lambda: not pending(database), 15.0)
            assert await hub.stop() == 0
        assert result.problems == []
        assert left, "what the outage left pending was broadcast"
        assert problems_of(database) == []
    print(
        f"\n{kills} kills of PostgreSQL: {result.ledger.bookings} bookings and"
        f" {result.ledger.cancellations} cancellations acknowledged,"
        f" {result.findings.events} events shown on {result.sockets} sockets"
    )


async def _answers_503(clinic: Clinic) -> None:
    """Of what needs the database; the process itself lives on."""
    api = clinic.api(clinic.patients[-1])
    read = await api.get("/api/appointments")
    assert (read.status, read.code) == (503, "UNAVAILABLE"), read.body
    assert int(read.headers["Retry-After"]) >= 1
    written = await api.post("/api/appointments", clinic.slot("07:00"))
    assert written.status in (422, 503), written.body
    async with clinic.session.get(f"{clinic.url}/health/live") as live:
        assert live.status == 200

    async def not_ready() -> bool:
        async with clinic.session.get(f"{clinic.url}/health/ready") as ready:
            return ready.status == 503

    assert await eventually(not_ready, 10.0)


async def _is_back(hub: HubProcess, session: aiohttp.ClientSession) -> None:
    async def ready() -> bool:
        async with session.get(f"{hub.url}/health/ready") as answer:
            return answer.status == 200

    assert hub.runs
    assert await eventually(ready, BACK_S)
