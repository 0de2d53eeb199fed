"""Processes that stand still and go on, that come back at once under the same address, that
start in the same moment: nothing is booked twice, and no request waits for long.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from store.migrations.migrate import upgrade
from tests.support.api import Api
from tests.support.clinic import Clinic, Person, found_clinic
from tests.support.database import OnPostgres, rows
from tests.support.eventually import eventually
from tests.support.fleet import SHOWN_S, Fleet, fleet
from tests.support.histories import problems_of
from tests.support.ports import free_port
from tests.support.postgres import ADMIN, postgres_server
from tests.support.process import HubProcess
from tests.support.running import Template
from tests.support.valkey import valkey_server

pytestmark = pytest.mark.timeout(240)

TAKEN_OVER_S = 10.0
LEASE_S = 2.0
QUICK = {
    "CHAIRSIDE_CLUSTER_LEASE_S": f"{LEASE_S}",
    "CHAIRSIDE_CLUSTER_RENEW_S": "0.5",
    "CHAIRSIDE_CLUSTER_REPAIR_S": "0.5",
}


@pytest.mark.long
async def test_a_paused_process_serves_nothing_stale_afterwards(
    postgres_template: Template, tmp_path: Path
) -> None:
    """Requests of the meantime wait in its sockets: it answers when it continues, and must
    know by then that its calendars may be another's."""
    async with fleet(postgres_template, tmp_path, each=[QUICK] * 3) as hubs, _people(hubs) as at:
        dentist = at[hubs.hubs[0]].dentists[0]
        await _book(at[hubs.hubs[0]], 0, "08:00", dentist)
        stood = hubs.owner_of(dentist)
        still, other = at[stood], next(at[each] for each in hubs.hubs if each is not stood)
        screen = await still.screen(dentist)
        stood.pause()
        try:
            taken = await _book(other, 1, "09:00", dentist)
            requests = [
                asyncio.create_task(still.free(still.patients[9], dentist=dentist)),
                asyncio.create_task(_status(still, 2, "09:00", dentist)),
            ]
            await asyncio.sleep(0.2)  # they are on their way
        finally:
            stood.wake()
        woke_s = time.monotonic()
        shown, refused = await asyncio.gather(*requests, return_exceptions=True)
        assert not isinstance(shown, set) or taken not in shown, "503, or what is true"
        assert refused in (409, 503)
        while time.monotonic() - woke_s < 2 * LEASE_S:
            with contextlib.suppress(AssertionError):  # 503 is honest
                free = await still.free(still.patients[9], dentist=dentist)
                assert taken not in free, "not what it remembers of before"
                break
        await screen.event("appointment.created", SHOWN_S, start=taken)
        await _book(still, 3, "10:00", dentist)
        assert problems_of(hubs.database) == []


@pytest.mark.long
async def test_a_restarted_node_with_the_same_address_is_a_new_node(
    postgres_template: Template, tmp_path: Path
) -> None:
    """Its calendars still belong to the process that died and does not answer."""
    each = [{"CHAIRSIDE_CLUSTER_PORT": str(free_port())} for _ in range(3)]
    async with fleet(postgres_template, tmp_path, each=each) as hubs, _people(hubs) as at:
        clinic = at[hubs.hubs[0]]
        for number, dentist in enumerate(clinic.dentists):
            await _book(clinic, number, "08:00", dentist)
        dentist = clinic.dentists[0]
        victim = hubs.owner_of(dentist)
        await victim.kill()
        began_s = time.monotonic()
        starting = asyncio.create_task(victim.start())
        others = [hub for hub in hubs.hubs if hub is not victim]
        await asyncio.gather(
            *(_book(at[hub], 3 + n, f"{10 + n}:00", dentist) for n, hub in enumerate(others))
        )
        assert time.monotonic() - began_s < TAKEN_OVER_S
        await starting
        await _book(at[victim], 9, "13:00", dentist)
        assert problems_of(hubs.database) == []


@pytest.mark.long
async def test_nodes_that_start_at_once_on_an_empty_database_are_one_hub(
    tmp_path: Path,
) -> None:
    server = postgres_server()
    database = OnPostgres(server=server, name=server.create())
    upgrade(server.url(database.name), migrate_url=server.url(database.name, ADMIN))
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    redis = {"CHAIRSIDE_REDIS_URL": valkey_server().url, "CHAIRSIDE_REDIS_STREAM": database.name}
    made = [HubProcess(database, folder, **redis, **QUICK) for folder in folders]
    async with AsyncExitStack() as stack:
        stack.callback(server.drop, database.name)
        for hub in made:
            stack.push_async_callback(hub.end)
        await asyncio.gather(*(hub.start() for hub in made))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        people = await found_clinic(session, made[0].url, patients=9)
        assert len(rows(database, "SELECT id FROM nodes")) == 3
        assert len(rows(database, "SELECT key FROM cluster")) == 1
        for number, hub in enumerate(made):
            clinic = Clinic(hub.url, people, session, stack, database)
            for which, dentist in enumerate(people.dentists):
                await _book(clinic, 3 * number + which, f"{12 + number}:00", dentist)
        assert problems_of(database) == []


@asynccontextmanager
async def _people(hubs: Fleet) -> AsyncIterator[dict[HubProcess, Clinic]]:
    """The clinic as each of the hubs shows it."""
    async with AsyncExitStack() as stack:
        yield {
            hub: Clinic(hub.url, hubs.template.people, hubs.session, stack, hubs.database)
            for hub in hubs.hubs
        }


async def _book(clinic: Clinic, patient: int, clock: str, dentist: Person) -> str:
    """As soon as it is possible; the start of what was booked."""
    slot = clinic.slot(clock, dentist=dentist)
    api = clinic.api(clinic.patients[patient])

    async def booked() -> bool:
        answer = await api.post("/api/appointments", slot, idempotency_key=slot["start"])
        assert answer.status in (201, 503), answer.body
        return answer.status == 201

    assert await eventually(booked, TAKEN_OVER_S)
    return slot["start"]


async def _status(clinic: Clinic, patient: int, clock: str, dentist: Person) -> int:
    api: Api = clinic.api(clinic.patients[patient])
    answer = await api.post("/api/appointments", clinic.slot(clock, dentist=dentist))
    return answer.status
