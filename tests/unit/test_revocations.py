"""A connection that would no longer be admitted ends, even after a database outage."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from actors.domain.channels import Channel
from actors.domain.ids import DentistId, EventId, PracticeId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, NotFound
from actors.ports.commits import StoreUnavailable
from actors.ports.events import EventRecord
from actors.services.identity import Claims
from api.realtime.rooms.revocations import Revocations
from tests.support.logs import captured_logs

ANN = ProfileId("01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f")
SUE = ProfileId("01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e60")
NOW = datetime(2027, 3, 1, tzinfo=UTC)
PRINCIPAL = Principal(role=Role.PATIENT, subject="ann", person=ANN)
CLAIMS = Claims(subject="ann", role=Role.PATIENT, expires_at=NOW + timedelta(hours=1))


@dataclass(eq=False)
class Connection:
    claims: Claims = CLAIMS
    principal: Principal = PRINCIPAL
    on_behalf_of: str | None = None
    ended: bool = False

    def end(self) -> None:
        self.ended = True


class World:
    """The token verifier and the directory, with prepared answers."""

    def __init__(self) -> None:
        self.answers: list[Principal | Exception] = []
        self.queries = 0
        self.forgotten: list[ProfileId] = []
        self.query_started = asyncio.Event()
        self.tasks: list[asyncio.Future[None]] = []
        self.revocations = Revocations(
            cast("Any", self), cast("Any", self), self.spawn, retry_s=0.001
        )

    def spawn(self, work: Awaitable[None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def on_rotation(self, _: object) -> None: ...

    def forget(self, person: ProfileId) -> None:
        self.forgotten.append(person)

    def trusts(self, _: Claims) -> bool:
        return True

    async def principal(self, *_: object, create: bool) -> Principal:
        assert not create
        self.queries += 1
        self.query_started.set()
        answer = self.answers.pop(0) if self.answers else PRINCIPAL
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def connect(self) -> Connection:
        connection = Connection()
        self.revocations.watch(connection, connection.end)
        return connection

    def change_profile(self) -> None:
        self.commit("profile.updated", f"profiles:user:{ANN}")

    def commit(self, kind: str, channel: str) -> None:
        record = EventRecord(
            channel=Channel(channel),
            position=Position(1, 1),
            event_id=EventId("e"),
            type=kind,
            time=NOW,
            payload=b"{}",
        )
        self.revocations.events_committed([record])

    async def settle(self) -> None:
        async with asyncio.timeout(5):
            while self.tasks:
                await self.tasks.pop()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for task in world.tasks:
        task.cancel()


async def test_the_connection_of_a_deleted_person_ends(world: World) -> None:
    connection = world.connect()
    world.answers = [NotFound("patient")]
    world.change_profile()
    await world.settle()
    assert connection.ended


async def test_a_connection_whose_principal_is_unchanged_continues(world: World) -> None:
    connection = world.connect()
    world.answers = [PRINCIPAL]
    world.change_profile()
    await world.settle()
    assert not connection.ended


async def test_the_check_is_repeated_until_the_database_answers(world: World) -> None:
    connection = world.connect()
    world.answers = [StoreUnavailable("away"), StoreUnavailable("away"), NotFound("patient")]
    with captured_logs() as logs:
        world.change_profile()
        await world.settle()
    assert connection.ended
    assert len(logs.lines("rights_unknown")) == 1, "an outage is logged once"


async def test_each_connection_is_checked_once_when_it_is_watched(world: World) -> None:
    for _ in range(30):
        world.connect()
        await world.settle()
    assert world.queries == 30


async def test_an_ended_connection_is_not_checked_again(world: World) -> None:
    connection = world.connect()
    world.answers = [StoreUnavailable("away")] * 1_000
    with captured_logs():
        world.change_profile()
        await world.query_started.wait()
        world.revocations.forget(connection)
        await world.settle()
    assert world.queries < 1_000


async def test_an_event_during_a_check_causes_another_check(world: World) -> None:
    connection = world.connect()
    world.answers = [PRINCIPAL, NotFound("patient")]
    world.change_profile()
    await world.query_started.wait()
    world.change_profile()
    world.change_profile()
    await world.settle()
    assert (world.queries, connection.ended) == (2, True)


async def test_rights_that_were_lost_during_admission_end_the_connection(world: World) -> None:
    world.answers = [Forbidden()]
    connection = world.connect()
    await world.settle()
    assert connection.ended


async def test_a_right_is_read_again_before_it_is_checked(world: World) -> None:
    connection = world.connect()
    await world.settle()
    world.answers = [Forbidden()]
    await world.revocations.recheck(ANN)
    await asyncio.sleep(0)
    assert (world.forgotten, connection.ended) == ([ANN], True)


@pytest.mark.parametrize("practice", ["here", "there"])
async def test_staff_are_checked_when_people_of_their_practice_change(
    world: World, practice: str
) -> None:
    desk = Principal(role=Role.STAFF, subject="sue", person=SUE, practice=PracticeId("here"))
    connection = Connection(principal=desk)
    world.answers = [desk]
    world.revocations.watch(connection, connection.end)
    await world.settle()
    world.answers = [replace(desk, calendars=(DentistId(ANN),))]
    world.commit("people.updated", f"practices:{practice}")
    await world.settle()
    await asyncio.sleep(0)
    assert connection.ended is (practice == "here")
