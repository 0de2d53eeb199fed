"""Supabase clients and event streams on any node: they get what Socket.IO clients get."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.cluster_world import logs as logs
from tests.integration.cluster_world import own_valkey as own_valkey
from tests.integration.cluster_world import template as template
from tests.integration.cluster_world import three as three
from tests.integration.cluster_world import valkey as valkey
from tests.support.balancer import balancer_for
from tests.support.clinic import DAYS_AHEAD, Person, appointments_of
from tests.support.cluster import QUICK, ClusterNode, nodes, owner_of
from tests.support.eventually import eventually
from tests.support.running import Template
from tests.support.screens import Received
from tests.support.sse import Frame, listening
from tests.support.supabase_clients import KINDS, RealClient, real_client
from tests.support.supabase_wire import BINDING, raw_supabase
from tests.support.valkey import ValkeyServer

EVENT = "appointment.created"
LATE_S = float(QUICK["repair_s"]) + 2.0
REJOIN_S = 20.0
"""The clients of other people wait as long as they like before they connect again."""


def _owner_and_others(made: Sequence[ClusterNode], dentist: Person) -> list[ClusterNode]:
    owner = owner_of(made, dentist)
    return [owner, *(each for each in made if each is not owner)]


async def test_a_booking_reaches_every_protocol_on_other_nodes(
    three: Sequence[ClusterNode],
) -> None:
    dentist = three[0].clinic.dentists[0]
    _, b, c = _owner_and_others(three, dentist)
    channel = appointments_of(dentist)
    screen = await b.clinic.screen(dentist)
    async with (
        listening(b.clinic.session, b.url, dentist.token, [channel]) as stream,
        raw_supabase(b.clinic.session, b.url, dentist.token) as raw,
        real_client("realtime-py", b.url, dentist.token) as real,
    ):
        await stream.event("hub:ready")
        await raw.joined(channel, changes=[BINDING])
        await real.join(channel, broadcasts=[EVENT])
        async with asyncio.timeout(1.0):
            booked = await c.clinic.book(c.clinic.patients[0])
            shown = (await screen.event(EVENT, id=booked["id"])).data
            assert (await stream.event(EVENT)).data == shown
            assert (await raw.until("broadcast")).payload["payload"] == shown
            row = (await raw.until("postgres_changes")).payload["data"]
            events = await real.event(EVENT, id=booked["id"])
        assert (row["type"], row["record"]) == ("INSERT", shown["data"])
        assert events.message["payload"] == shown


async def test_without_redis_events_are_late_and_complete(
    template: Template, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(template, tmp_path, own_valkey, 2) as (here, there):
        dentist = here.clinic.dentists[0]
        channel = appointments_of(dentist)
        async with (
            listening(here.clinic.session, here.url, dentist.token, [channel]) as stream,
            raw_supabase(here.clinic.session, here.url, dentist.token) as raw,
        ):
            await stream.event("hub:ready")
            await raw.joined(channel)
            own_valkey.kill()
            booked = [
                (await there.clinic.book(there.clinic.patients[number], f"{9 + number:02}:00"))[
                    "id"
                ]
                for number in range(3)
            ]
            assert await eventually(lambda: _ids(stream.events) == booked, LATE_S)
            received = [(await raw.until("broadcast", LATE_S)).payload["payload"] for _ in booked]
            assert received == [frame.data for frame in stream.events]


async def test_the_status_counts_the_connections_of_all_nodes(
    three: Sequence[ClusterNode],
) -> None:
    """Socket.IO's namespaces, Supabase, streams: two of each here, one of each there."""

    def whole(each: Received) -> bool:
        wanted = {"/patient": 3, "/admin": 3, "supabase": 3, "stream": 3}
        counts = each.data["data"]["connections"] if each.event == "hub.status" else {}
        return wanted.items() <= counts.items()

    async with AsyncExitStack() as opened:
        for number in (0, 0, 1):
            clinic = three[number].clinic
            patient = clinic.patients[number]
            await clinic.screen(patient)
            channels = [appointments_of(patient)]
            wire = listening(clinic.session, clinic.url, patient.token, channels)
            await opened.enter_async_context(wire)
            socket = raw_supabase(clinic.session, clinic.url, patient.token)
            await opened.enter_async_context(socket)
        admins = [await node.clinic.admin_screen("hub:status") for node in three]
        for admin in admins:
            shown = (await admin.until(whole, 5.0)).data["data"]
            by_wire = {
                (each["wire"], each["namespace"]): each["count"] for each in shown["sockets"]
            }
            assert by_wire["socket.io", "/patient"] == 3
            assert by_wire["supabase", ""] == by_wire["stream", ""] == 3


async def test_supabase_clients_leave_a_draining_node_without_loss(
    three: Sequence[ClusterNode],
) -> None:
    """Close code 1012; a client that loads its list at each SUBSCRIBED is complete."""
    dentist = three[0].clinic.dentists[0]
    a, b, c = _owner_and_others(three, dentist)
    channel = appointments_of(dentist)
    c.running.hub.edge.health.accepting(accepts=False)  # so that all begin at b
    ports = [urlsplit(each.url).port or 0 for each in (b, c)]
    async with balancer_for(ports) as balancer, AsyncExitStack() as opened:
        assert await eventually(lambda: balancer.ready == ports[:1], 5.0)
        clients = [
            await opened.enter_async_context(real_client(kind, balancer.url, dentist.token))
            for kind in KINDS
        ]
        for client in clients:
            await client.join(channel, broadcasts=[EVENT])
        assert _sockets(b) == len(clients)
        raw = await opened.enter_async_context(raw_supabase(b.clinic.session, b.url, dentist.token))
        c.running.hub.edge.health.accepting(accepts=True)
        assert await eventually(lambda: len(balancer.ready) == 2, 5.0)
        marks = [client.mark() for client in clients]
        b.running.hub.edge.health.accepting(accepts=False)
        assert await eventually(lambda: balancer.ready == ports[1:], 5.0)
        rejoined = asyncio.gather(
            *(_rejoined(each, at, c) for each, at in zip(clients, marks, strict=True))
        )
        booked, code, _ = await asyncio.gather(
            _book_until(a, rejoined.done), raw.close_code(), b.running.hub.drain()
        )
        assert code == 1012
        listed = await rejoined
        assert (_sockets(b), _sockets(c)) == (0, len(clients))
        for client, loaded in zip(clients, listed, strict=True):
            await client.event(EVENT, id=booked[-1])
            events = [each["payload"] for each in client.broadcasts()]
            offsets = [each["offset"] for each in events]
            assert offsets == sorted(set(offsets)), "nothing twice"
            known = loaded | {each["data"]["id"] for each in events}
            assert set(booked) <= known, "nothing missed"


async def test_an_event_stream_continues_at_another_node(
    three: Sequence[ClusterNode],
) -> None:
    dentist = three[0].clinic.dentists[0]
    a, b, c = _owner_and_others(three, dentist)
    channels = [appointments_of(dentist)]
    async with listening(b.clinic.session, b.url, dentist.token, channels) as stream:
        await stream.event("hub:ready")
        booked, _ = await asyncio.gather(
            _book_until(a, lambda: stream.ended), b.running.hub.drain()
        )
        closing = await stream.event("hub:closing")
        assert (closing.data, closing.id) == ({"reason": "hub_stopping"}, None)
        assert closing.retry_ms, "not all at once"
    async with listening(
        c.clinic.session, c.url, dentist.token, channels, last_id=stream.last_id
    ) as resumed:
        last = await a.clinic.book(a.clinic.patients[-1], "17:30")
        assert await eventually(lambda: _ids(resumed.events)[-1:] == [last["id"]], 2.0)
    events = [*stream.events, *resumed.events]
    assert [at for _, at in (*stream.positions, *resumed.positions)] == list(
        range(1, len(events) + 1)
    )
    assert _ids(events) == [*booked, last["id"]], "once and in order"


async def _rejoined(client: RealClient, since: int, node: ClusterNode) -> set[str]:
    """What the list shows when the client is subscribed again."""
    await client.status("SUBSCRIBED", REJOIN_S, since=since)
    dentist = node.clinic.dentists[0]
    listed = await node.clinic.api(dentist).get("/api/appointments", limit=200)
    return {each["id"] for each in listed.body["data"]}


async def _book_until(node: ClusterNode, over: Callable[[], bool]) -> list[str]:
    """One booking after the other, ten a second, and one more; their ids."""
    clinic, booked = node.clinic, list[str]()
    times = [(day, hour) for day in range(DAYS_AHEAD, 30) for hour in range(8, 17)]
    for number, (day, hour) in enumerate(times):
        last = over()
        slot = {**clinic.slot(), "start": clinic.at(f"{hour:02}:00", days=day)}
        patient = clinic.patients[number % len(clinic.patients)]
        made = await clinic.api(patient).post("/api/appointments", slot)
        assert made.status == 201, made.body
        booked.append(made.body["id"])
        if last:
            return booked
        await asyncio.sleep(0.1)
    raise AssertionError("still not over")


def _ids(frames: Sequence[Frame]) -> list[str]:
    return [frame.data["data"]["id"] for frame in frames]


def _sockets(node: ClusterNode) -> int:
    return node.running.hub.edge.supabase.connections()["supabase"]
