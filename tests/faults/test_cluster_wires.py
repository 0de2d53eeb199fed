"""A node stops or is killed: its Supabase clients and streams go on at another, missing nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from chairside.client import HubEvent, RetryPolicy
from chairside.client.stream import ChangeStream
from tests.support.balancer import Balancer, balancer_for
from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.database import OnPostgres, rows
from tests.support.eventually import eventually
from tests.support.presence import at
from tests.support.process import HubProcess
from tests.support.running import Template
from tests.support.supabase_clients import RealClient, real_client
from tests.support.valkey import valkey_server

EVENT = "appointment.created"
KINDS = ("realtime-js 2.0.0", "realtime-py")
LEASE_S = 2.0
COME_BACK_S = 30.0
"""The clients of other people wait as long as they like before they connect again."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two processes of one hub, and what stands before them."""

    goes: HubProcess
    stays: HubProcess
    balancer: Balancer
    database: OnPostgres
    template: Template
    session: aiohttp.ClientSession

    def clinic(self, hub: HubProcess) -> Clinic:
        people = self.template.people
        return Clinic(hub.url, people, self.session, AsyncExitStack(), self.database)

    async def start_the_other(self) -> None:
        await self.stays.start()
        both = lambda: len(self.balancer.ready) == 2  # noqa: E731  # a question
        assert await eventually(both, 10.0)
        assert len(rows(self.database, "SELECT id FROM nodes")) == 2


@pytest.fixture
async def pair(postgres_template: Template, tmp_path: Path) -> AsyncIterator[Pair]:
    """Only the node that will stop is ready, so that clients connect to it."""
    with postgres_template.copied_to(tmp_path) as database:
        assert isinstance(database, OnPostgres)
        settings = {
            "CHAIRSIDE_REDIS_URL": valkey_server().url,
            "CHAIRSIDE_REDIS_STREAM": database.name,
            "CHAIRSIDE_CLUSTER_LEASE_S": str(LEASE_S),
            "CHAIRSIDE_CLUSTER_RENEW_S": "0.5",
            "CHAIRSIDE_CLUSTER_REPAIR_S": "0.5",
        }
        hubs = []
        for name in ("goes", "stays"):
            (own := tmp_path / name).mkdir()
            hubs.append(HubProcess(database, own, **settings))
        goes, stays = hubs
        async with (
            balancer_for([each.port for each in hubs]) as balancer,
            aiohttp.ClientSession() as session,
        ):
            await goes.start()
            try:
                assert await eventually(lambda: balancer.ready == [goes.port], 10.0)
                yield Pair(
                    goes=goes,
                    stays=stays,
                    balancer=balancer,
                    database=database,
                    template=postgres_template,
                    session=session,
                )
            finally:
                for each in hubs:
                    if each.runs:
                        await each.kill()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("end", [HubProcess.stop, HubProcess.kill], ids=["SIGTERM", "SIGKILL"])
async def test_clients_of_an_ending_node_continue_at_another(
    pair: Pair, end: Callable[[HubProcess], Awaitable[object]]
) -> None:
    dentist = pair.template.people.dentists[0]
    channel, events = appointments_of(dentist), list[HubEvent]()
    async with AsyncExitStack() as opened:
        clients = [
            await opened.enter_async_context(real_client(kind, pair.balancer.url, dentist.token))
            for kind in KINDS
        ]
        for client in clients:
            await client.join(channel, broadcasts=[EVENT])
        stream = await opened.enter_async_context(_stream(pair, dentist, events))
        assert await eventually(lambda: stream.connected, 10.0)
        await pair.start_the_other()
        clinic = pair.clinic(pair.stays)
        booked = await _book_some(clinic, range(3))
        for client in clients:
            await client.event(EVENT, 5.0, id=booked[-1])
        marks = [client.mark() for client in clients]

        _, more = await asyncio.gather(end(pair.goes), _book_some(clinic, range(3, 6)))
        booked += more
        listed = await asyncio.gather(
            *(_rejoined(each, at, clinic) for each, at in zip(clients, marks, strict=True))
        )
        back = lambda: stream.connected and stream.connections > 1  # noqa: E731  # a condition to poll
        assert await eventually(back, COME_BACK_S)
        booked.append(await _book(clinic, 6))

        for client, loaded in zip(clients, listed, strict=True):
            await client.event(EVENT, 5.0, id=booked[-1])
            received = [each["payload"] for each in client.broadcasts()]
            offsets = [each["offset"] for each in received]
            assert offsets == sorted(set(offsets)), "nothing twice"
            assert set(booked) <= loaded | {each["data"]["id"] for each in received}, (
                "nothing missed"
            )
        assert await eventually(lambda: events and events[-1].data["id"] == booked[-1], 5.0)
        assert [each.data["id"] for each in events] == booked, "once and in order"


@pytest.mark.timeout(120)
async def test_the_presence_of_a_killed_node_ends_with_its_lease(
    pair: Pair,
) -> None:
    dentist = pair.template.people.dentists[0]
    async with at(pair.clinic(pair.goes), dentist, "goes") as goes:
        await goes.track()
        await pair.start_the_other()
        async with at(pair.clinic(pair.stays), dentist, "stays") as stays:
            await stays.track()
            await stays.sees("goes", "stays", within_s=10.0)
            await pair.goes.kill()
            await stays.sees("stays", within_s=LEASE_S + 3.0)


def _stream(pair: Pair, person: Person, events: list[HubEvent]) -> ChangeStream:
    return ChangeStream(
        pair.balancer.url,
        token=person.token,
        since={appointments_of(person): None},
        on_event=events.append,
        on_refetch=lambda _channel, _place: None,
        session=pair.session,
        retry=RetryPolicy(attempts=8, first_delay_s=0.1, longest_delay_s=0.5),
    )


async def _book_some(clinic: Clinic, numbers: Iterable[int]) -> list[str]:
    return [await _book(clinic, number) for number in numbers]


async def _book(clinic: Clinic, number: int) -> str:
    """As soon as that is possible: a killed node's calendars wait for its lease to end."""
    key, found = f"booking-{number}", list[str]()

    async def booked() -> bool:
        answer = await clinic.api(clinic.patients[number]).post(
            "/api/appointments", clinic.slot(f"{9 + number:02}:00"), idempotency_key=key
        )
        assert answer.status in (201, 503), answer.body
        if answer.status == 201:
            found.append(answer.body["id"])
        return answer.status == 201

    assert await eventually(booked, 20.0)
    return found[0]


async def _rejoined(client: RealClient, since: int, clinic: Clinic) -> set[str]:
    """What the list shows when the client is subscribed again."""
    await client.status("SUBSCRIBED", COME_BACK_S, since=since)
    listed = await clinic.api(clinic.dentists[0]).get("/api/appointments", limit=200)
    return {each["id"] for each in listed.body["data"]}
