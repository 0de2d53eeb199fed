"""Criterion 7.4: the JavaScript and the Python client reconnect and miss no event."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from api.realtime.rooms.settings import RealtimeSettings
from store.settings import RetentionSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, appointments_of
from tests.support.database import execute, rows
from tests.support.eventually import eventually
from tests.support.followers import KINDS, FollowingScreen, screen
from tests.support.logs import captured_logs
from tests.support.process import hub_process
from tests.support.proxy import Network, network_to
from tests.support.running import Template, make_template

RECOVERY_S = 5.0
TRANSPORTS = [("websocket",), ("polling",), ("polling", "websocket")]

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """SQLite only: the contract tests compare the catch-up of both engines."""
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"))


async def has_received(it: FollowingScreen, channel: str, expected: list[tuple[int, str]]) -> None:
    async def enough() -> bool:
        return len(await it.received(channel)) >= len(expected)

    await eventually(enough, RECOVERY_S)
    assert await it.received(channel) == expected, "each once, in order"


async def has_connected(it: FollowingScreen, times: int) -> None:
    async def connected() -> bool:
        return await it.connections() >= times

    assert await eventually(connected, RECOVERY_S)


async def interrupted(network: Network) -> None:
    """Cut all connections without a close, and refuse new ones, as a failing router does."""
    network.down = True
    network.cut()
    await asyncio.sleep(0)


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
async def test_r7_4_an_interrupted_client_reconnects_and_misses_nothing(
    clinic: Clinic, kind: str, transports: tuple[str, ...]
) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    channel = appointments_of(dentist)
    async with (
        network_to(clinic.url) as network,
        screen(kind, network.url, dentist, transports) as it,
    ):
        ids = [(await clinic.book(patient, "08:00"))["id"]]
        await has_received(it, channel, [(1, ids[0])])
        for turn in (1, 2):
            await interrupted(network)
            missed = [await clinic.book(patient, f"{8 + turn:02}:{at}") for at in ("00", "30")]
            network.down = False
            live = await clinic.book(patient, f"{11 + turn:02}:00")
            ids += [row["id"] for row in (*missed, live)]
            await has_received(it, channel, list(enumerate(ids, 1)))
            await has_connected(it, turn + 1)
        assert await it.refetches(channel) == 1, "only at the start"


async def test_r7_4_a_half_open_connection_is_replaced(open_clinic: OpenClinic, kind: str) -> None:
    """Only the missing heartbeats show that the connection is dead."""
    quick = RealtimeSettings(ping_interval_s=0.3, ping_timeout_s=0.5)
    async with (
        open_clinic(realtime=quick) as clinic,
        network_to(clinic.url) as network,
        screen(kind, network.url, clinic.dentists[0]) as it,
    ):
        network.freeze()
        booked = await clinic.book(clinic.patients[0])
        await has_received(it, appointments_of(clinic.dentists[0]), [(1, booked["id"])])
        await has_connected(it, 2)


async def test_r7_4_a_client_that_missed_nothing_receives_no_event_again(
    clinic: Clinic, kind: str
) -> None:
    """Recovery without missed events: no event is repeated, and nothing is fetched again."""
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    channel = appointments_of(dentist)
    async with network_to(clinic.url) as network, screen(kind, network.url, dentist) as it:
        first = await clinic.book(patient, "09:00")
        await has_received(it, channel, [(1, first["id"])])
        network.cut()
        await has_connected(it, 2)
        assert await it.received(channel) == [(1, first["id"])]
        second = await clinic.book(patient, "10:00")
        await has_received(it, channel, [(1, first["id"]), (2, second["id"])])
        for each in (channel, "availability:all", f"profiles:user:{dentist.id}"):
            assert await it.refetches(each) == 1, "only at the start"


async def test_r7_4_catch_up_works_after_a_crash_of_the_server(
    template: Template, tmp_path: Path, kind: str
) -> None:
    """After ``kill -9`` the next process knows which events a client has received."""
    database = template.copy_to(tmp_path)
    dentist, patient = template.people.dentists[0], template.people.patients[0]
    channel = appointments_of(dentist)
    async with (
        hub_process(database, tmp_path) as hub,
        aiohttp.ClientSession() as session,
        contextlib.AsyncExitStack() as opened,
        screen(kind, hub.url, dentist) as it,
    ):
        clinic = Clinic(hub.url, template.people, session, opened, database)
        ids = [(await clinic.book(patient, clock))["id"] for clock in ("09:00", "10:00")]
        await hub.kill()  # the last event may have been sent, or not
        await hub.start()
        ids.append((await clinic.book(patient, "11:00"))["id"])
        await has_received(it, channel, list(enumerate(ids, 1)))
        assert await it.connections() == 2
        assert await it.refetches(channel) == 1, "only at the start"


async def test_r7_4_a_client_beyond_retention_must_fetch_again(
    open_clinic: OpenClinic, kind: str
) -> None:
    """The events are no longer stored: the client must fetch again, never a silent gap."""
    short = RetentionSettings(events_days=1.0, sweep_minutes=0.005)
    async with open_clinic(retention=short) as clinic, network_to(clinic.url) as network:
        dentist, patient = clinic.dentists[0], clinic.patients[0]
        channel = appointments_of(dentist)
        async with screen(kind, network.url, dentist) as it:
            first = await clinic.book(patient, "09:00")
            await has_received(it, channel, [(1, first["id"])])
            await interrupted(network)
            for clock in ("10:00", "11:00"):
                await clinic.book(patient, clock)
            await _two_days_pass(clinic, channel)
            network.down = False
            await has_connected(it, 2)

            async def must_refetch() -> bool:
                return await it.refetches(channel) == 2

            assert await eventually(must_refetch, RECOVERY_S)
            later = await clinic.book(patient, "12:00")
            await has_received(it, channel, [(1, first["id"]), (4, later["id"])])


async def _two_days_pass(clinic: Clinic, channel: str) -> None:
    """Age the published events by two days, and wait until the hub's sweep deletes them."""
    sql = "SELECT 1 FROM realtime_events WHERE channel = ? AND status = 'pending'"
    assert await eventually(lambda: not rows(clinic.database, sql, channel), 3.0)
    execute(
        clinic.database,
        "UPDATE event_log SET created_at = created_at - 2 * 86400 * 1000000",
    )
    sql = "SELECT 1 FROM realtime_events WHERE channel = ?"
    assert await eventually(lambda: not rows(clinic.database, sql, channel), 3.0)
