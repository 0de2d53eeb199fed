"""``kill -9`` while visits move between calendars: each is in one of them, as acknowledged."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.support.clinic import Clinic
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.moves import Visits
from tests.support.process import UNLIMITED, HubProcess, hub_process
from tests.support.running import Template

KILLS, KILLS_LONG = 2, 30
MOVERS = 4
ALIVE = (5, 40)
"""How many moves are acknowledged between two kills."""


@pytest.mark.timeout(240)
async def test_kills_during_moves_leave_each_visit_in_one_calendar(
    template: Template, tmp_path: Path
) -> None:
    await kill_again_and_again(template, tmp_path, KILLS, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_many_kills_during_moves(template: Template, tmp_path: Path) -> None:
    await kill_again_and_again(template, tmp_path, KILLS_LONG, seed=2)


async def kill_again_and_again(template: Template, folder: Path, kills: int, seed: int) -> None:
    chance, database = random.Random(seed), template.copy_to(folder)
    async with (
        hub_process(database, folder, **UNLIMITED) as hub,
        aiohttp.ClientSession() as session,
    ):
        clinic = Clinic(hub.url, template.people, session, AsyncExitStack(), database)
        visits = Visits([clinic], seed)
        await visits.book()
        for _ in range(kills):
            await _move_until_killed(visits, hub, chance.randint(*ALIVE))
            assert problems_of(database) == [], "a commit is whole or not at all"
            await hub.start()
            await visits.check()
        assert await eventually(lambda: not pending(database), 5.0)
        assert await hub.stop() == 0
    assert problems_of(database) == []


async def _move_until_killed(visits: Visits, hub: HubProcess, acknowledged: int) -> None:
    """Moves are in flight when the hub is killed."""
    enough, done = asyncio.Event(), 0

    async def mover() -> None:
        nonlocal done
        while True:
            answer = await visits.move_one()
            done += answer.status == 200
            if done >= acknowledged:
                enough.set()

    movers: Sequence[asyncio.Task[None]] = [asyncio.create_task(mover()) for _ in range(MOVERS)]
    await enough.wait()
    await hub.kill()
    ended = await asyncio.gather(*movers, return_exceptions=True)
    assert all(isinstance(each, aiohttp.ClientError) for each in ended), ended
