"""Redis, PostgreSQL or the network between nodes fail, one at a time: bookings stay single,
remote screens are late at most, nothing stale is served as current, and all of it heals.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.cluster.membership import Membership
from tests.support.cluster import QUICK, NodeOf, all_know, nodes, one_node, owner_of
from tests.support.database import OnPostgres
from tests.support.eventually import eventually
from tests.support.histories import pending, problems_of
from tests.support.logs import captured_logs
from tests.support.ports import free_port
from tests.support.proxy import Network, network_to
from tests.support.running import Template
from tests.support.valkey import ValkeyServer

LATE_S = float(QUICK["repair_s"]) + 2.0
"""An event that Redis lost: one interval, and the time that a gap in a lane is waited for."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Stack traces of an outage, drawn for a terminal, take seconds each."""
    with captured_logs():
        yield


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


def _say_nothing(_: ValkeyServer) -> None: ...


def _restart_empty(valkey: ValkeyServer) -> None:
    valkey.kill()
    valkey.start()


def _kill_clients(valkey: ValkeyServer) -> None:
    """As when a reader's output buffer is full: the server closes its connection."""
    valkey.say("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


FAILURES: dict[str, tuple[Callable[[ValkeyServer], object], Callable[[ValkeyServer], object]]] = {
    "killed": (ValkeyServer.kill, ValkeyServer.start),
    "hung": (ValkeyServer.hang, ValkeyServer.wake),
    "flushed": (lambda valkey: valkey.say("FLUSHALL"), _say_nothing),
    "restarted empty": (_restart_empty, _say_nothing),
    "its readers cut off": (_kill_clients, _say_nothing),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_redis_bookings_go_on_and_remote_screens_are_late_at_most(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path, failure: str
) -> None:
    begins, ends = FAILURES[failure]
    async with nodes(postgres_template, tmp_path, valkey) as made:
        clinic = made[0].clinic
        dentist = clinic.dentists[0]
        a = owner_of(made, dentist)
        b, c = (each for each in made if each is not a)
        screen = await b.clinic.screen(dentist)
        booked = [await c.clinic.book(clinic.patients[0], "08:00")]
        await screen.event("appointment.created", 1.0, id=booked[0]["id"])
        try:
            await asyncio.to_thread(begins, valkey)
            for number in range(1, 5):
                began = time.monotonic()
                row = await c.clinic.book(clinic.patients[number], f"{8 + number:02}:00")
                assert time.monotonic() - began < 1.0, "Redis is not on the commit's path"
                booked.append(row)
                await screen.event("appointment.created", LATE_S, id=row["id"])
        finally:
            await asyncio.to_thread(ends, valkey)
        await _quick_again(made, screen, c, clinic.patients[6])
        for row in booked:
            await screen.event("appointment.created", LATE_S, id=row["id"])
        offsets = [
            each.data["offset"] for each in screen.events(f"appointments:dentist:{dentist.id}")
        ]
        assert offsets == sorted(set(offsets)), "in order, and none twice"
        assert await eventually(lambda: not pending(_database(made)), 5.0)
        assert problems_of(_database(made)) == []


async def _quick_again(made: Sequence[NodeOf], screen: Any, c: NodeOf, patient: Any) -> None:
    """The stream is taken up by itself."""

    def whole() -> bool:
        return all(each.cluster.fanout.stream.up for each in made)

    assert await eventually(whole, 10.0)
    for clock in ("13:00", "14:00", "15:00", "16:00"):
        row = await c.clinic.book(patient, clock)
        before = time.monotonic()
        await screen.event("appointment.created", LATE_S, id=row["id"])
        if time.monotonic() - before < 0.3:
            return
    raise AssertionError("the stream did not come back")


def _database(made: Sequence[NodeOf]) -> OnPostgres:
    database = made[0].clinic.database
    assert isinstance(database, OnPostgres)
    return database


async def test_a_profile_changed_while_redis_is_away_is_not_shown_as_it_was_for_long(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(postgres_template, tmp_path, valkey, 2) as made:
        patient = made[0].clinic.patients[0]
        assert (await made[1].clinic.api(patient).get("/api/profiles/me")).status == 200
        await asyncio.to_thread(valkey.kill)
        changed = await made[0].clinic.api(patient).put("/api/profiles/me", {"name": "Changed"})
        assert changed.status == 200, changed.body

        async def shown() -> bool:
            me = await made[1].clinic.api(patient).get("/api/profiles/me")
            return bool(me.body["name"] == "Changed")

        assert await eventually(shown, 5.0)
        await asyncio.to_thread(valkey.start)


# --- a node that is cut off from PostgreSQL --------------------------------------------


@asynccontextmanager
async def _one_behind_a_network(
    template: Template, folder: Path, valkey: ValkeyServer
) -> AsyncIterator[tuple[NodeOf, Sequence[NodeOf], Network]]:
    """Three nodes; the first reaches PostgreSQL over a network that can fail."""
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        async with AsyncExitStack() as stack:
            wire = await stack.enter_async_context(
                network_to(f"http://127.0.0.1:{database.server.port}")
            )
            url = f"postgresql://chairside@127.0.0.1:{wire.port}/{database.name}"
            limits = {"statement_timeout_ms": 1_000, "lock_timeout_ms": 1_000}
            cut = await stack.enter_async_context(
                one_node(template, database, valkey.url, url=url, limits=limits)
            )
            others = [
                await stack.enter_async_context(one_node(template, database, valkey.url))
                for _ in range(2)
            ]
            await all_know([cut, *others], 3)
            stack.callback(wire.flow)
            yield cut, others, wire


@pytest.mark.parametrize(
    "way",
    ["both", *(pytest.param(one, marks=pytest.mark.long) for one in ("up", "back"))],
)
@pytest.mark.timeout(120)
async def test_a_node_cut_off_from_postgresql_serves_nothing_stale_and_comes_back(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path, way: str
) -> None:
    async with _one_behind_a_network(postgres_template, tmp_path, valkey) as (cut, others, wire):
        everybody = [cut, *others]
        clinic = others[0].clinic
        dentist = await _make_owner(everybody, cut)
        slot = clinic.slot("09:00", dentist=dentist)
        viewer = clinic.patients[9]
        assert slot["start"] in await cut.clinic.free(viewer, dentist=dentist)
        first_life = cut.cluster.membership.me
        wire.stall(up=way != "back", back=way != "up")
        watching = asyncio.create_task(_watch(cut, viewer, dentist))
        booked = await _book_when_possible(others[0], clinic.patients[0], slot)
        told_s = time.monotonic()
        await asyncio.sleep(0.5)
        wire.cut()  # what waits is never said, as after a partition that lasts
        wire.flow()
        assert await eventually(lambda: cut.cluster.membership.me != first_life, 10.0)
        await all_know(everybody, 3)

        async def serves_again() -> bool:
            answer = await cut.clinic.api(clinic.patients[1]).post(
                "/api/appointments",
                clinic.slot("10:00", dentist=dentist),
                idempotency_key="after",
            )
            assert answer.status in (201, 503), answer.body
            return answer.status == 201

        assert await eventually(serves_again, 15.0)
        watching.cancel()
        seen = await asyncio.gather(watching, return_exceptions=True)
        assert not isinstance(seen[0], AssertionError), seen
        stale = [at for at, starts in _SEEN if at > told_s and slot["start"] in starts]
        assert not stale, "after the booking was acknowledged, nobody is offered its time"
        assert booked["start"] == slot["start"]
        assert await eventually(lambda: problems_of(_database(everybody)) == [], 5.0)


_SEEN: list[tuple[float, set[str]]] = []


async def _watch(node: NodeOf, viewer: Any, dentist: Any) -> None:
    """Ask for the free times again and again; 503 is an honest answer."""
    _SEEN.clear()
    while True:
        asked_s = time.monotonic()
        answer = await node.clinic.api(viewer).get(
            "/api/slots", **node.clinic.day_of(dentist, "check-up")
        )
        assert answer.status in (200, 503), answer.body
        if answer.status == 200:
            _SEEN.append((asked_s, {slot["start"] for slot in answer.body["data"]}))
        await asyncio.sleep(0.02)


async def _make_owner(made: Sequence[NodeOf], wanted: NodeOf) -> Any:
    """A dentist whose calendar belongs to that node, by the luck of its id."""
    for _ in range(12):
        for dentist in wanted.clinic.dentists:
            if owner_of(made, dentist) is wanted:
                await wanted.clinic.free(wanted.clinic.patients[8], dentist=dentist)
                return dentist
        await _live_anew(wanted.cluster.membership)
        await all_know(made, len(made))
    raise AssertionError("no luck with ids")


async def _live_anew(members: Membership) -> None:
    """The same node under another id: other calendars belong to it."""
    await members._nodes.leave(members.me)
    await members.renew()


async def _book_when_possible(node: NodeOf, patient: Any, slot: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {}

    async def booked() -> bool:
        answer = await node.clinic.api(patient).post(
            "/api/appointments", slot, idempotency_key="meanwhile"
        )
        assert answer.status in (201, 503), answer.body
        body.update(answer.body)
        return answer.status == 201

    assert await eventually(booked, 15.0)
    return body


# --- all of PostgreSQL -----------------------------------------------------------------


@pytest.mark.timeout(120)
async def test_without_postgresql_everybody_says_503_and_all_recover_by_themselves(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    async with nodes(postgres_template, tmp_path, valkey) as made:
        clinic = made[0].clinic
        server = _database(made).server
        await clinic.book(clinic.patients[0], "08:00")
        await asyncio.to_thread(server.kill)
        try:
            for node in made:
                answer = await node.clinic.api(clinic.patients[1]).post(
                    "/api/appointments", clinic.slot("09:00")
                )
                assert (answer.status, answer.code) == (503, "UNAVAILABLE"), answer.body
                assert int(answer.headers["Retry-After"]) >= 1
            await asyncio.sleep(float(QUICK["lease_s"]) + 0.5)  # every lease ends
        finally:
            await asyncio.to_thread(server.start)
        for number, node in enumerate(made):
            row = await _book_when_possible_at(node, clinic.patients[number + 1], number)
            assert row["status"] == "confirmed"
        await all_know(made, 3)
        assert await eventually(lambda: not pending(_database(made)), 10.0)
        assert problems_of(_database(made)) == []


async def _book_when_possible_at(node: NodeOf, patient: Any, number: int) -> dict[str, Any]:
    slot = node.clinic.slot(f"{10 + number}:00")
    body: dict[str, Any] = {}

    async def booked() -> bool:
        answer = await node.clinic.api(patient).post(
            "/api/appointments", slot, idempotency_key=f"after-{number}"
        )
        assert answer.status in (201, 503), answer.body
        body.update(answer.body)
        return answer.status == 201

    assert await eventually(booked, 15.0)
    return body


# --- between the nodes -----------------------------------------------------------------


@pytest.mark.timeout(120)
async def test_a_node_that_others_cannot_reach_says_so_until_the_network_is_back(
    postgres_template: Template, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """Its lease goes on, so its calendars stay: no booking elsewhere, and none twice."""
    with postgres_template.copied_to(tmp_path) as database:
        assert isinstance(database, OnPostgres)
        async with AsyncExitStack() as stack:
            port = free_port()
            wire = await stack.enter_async_context(network_to(f"http://127.0.0.1:{port}"))
            far = await stack.enter_async_context(
                one_node(postgres_template, database, valkey.url, port=port, advertise=wire.url)
            )
            near = await stack.enter_async_context(
                one_node(postgres_template, database, valkey.url, deadline_ms=1_500)
            )
            await all_know([far, near], 2)
            stack.callback(wire.flow)
            dentist = await _make_owner([far, near], far)
            slot = near.clinic.slot("09:00", dentist=dentist)
            wire.stall()
            refused = await near.clinic.api(near.clinic.patients[0]).post(
                "/api/appointments", slot, idempotency_key="one"
            )
            assert (refused.status, refused.code) == (503, "UNAVAILABLE"), refused.body
            seen = await near.clinic.free(near.clinic.patients[0], dentist=dentist)
            assert slot["start"] in seen, "free times are read from the database meanwhile"
            there = await far.clinic.book(far.clinic.patients[1], "11:00", dentist=dentist)
            wire.flow()

            async def booked() -> bool:
                answer = await near.clinic.api(near.clinic.patients[0]).post(
                    "/api/appointments", slot, idempotency_key="one"
                )
                assert answer.status in (201, 503), answer.body
                return answer.status == 201

            assert await eventually(booked, 10.0)
            assert there["dentist_id"] == dentist.id
            assert await eventually(lambda: problems_of(database) == [], 5.0)
