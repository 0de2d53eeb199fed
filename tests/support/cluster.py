"""Several hubs on one PostgreSQL and one Valkey: in this process, quick to start."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from actors.calendar.settings import ActorSettings, ReservationSettings
from actors.domain.ids import DentistId
from api.auth import AuthSettings
from hub.cluster.cluster import Cluster
from hub.cluster.members.placement import place
from hub.cluster.settings import ClusterSettings, RedisSettings
from hub.config import Config
from hub.webhooks.settings import WebhookSettings
from store.settings import DatabaseSettings
from tests.support.clinic import Clinic, Person
from tests.support.database import OnPostgres, url_of
from tests.support.eventually import eventually
from tests.support.running import Running, Template, running_hub
from tests.support.screens import Screen
from tests.support.tokens import SECRET
from tests.support.valkey import ValkeyServer

QUICK: dict[str, Any] = {
    "lease_s": 2.5,
    "renew_s": 0.5,
    "repair_s": 0.5,
    "drain_s": 0.2,
    "host": "127.0.0.1",
}
"""A cluster whose failures are over soon."""
LATE_S = float(QUICK["repair_s"]) + 2.0
"""An event that Redis lost: one interval, and the time that a gap in a lane is waited for."""
AT_ONCE_S = 1.5
"""What waited for Redis would take two seconds, or for ever."""
QUICKLY_S = 0.3
"""Over the stream; by repair it takes longer."""


@dataclass(frozen=True, kw_only=True)
class NodeOf:
    """One of the hubs: its clinic is seen through it."""

    running: Running
    clinic: Clinic

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def cluster(self) -> Cluster:
        cluster = self.running.hub.cluster
        assert cluster is not None
        return cluster

    @property
    def id(self) -> str:
        return self.cluster.membership.me


@asynccontextmanager
async def one_node(
    template: Template,
    database: OnPostgres,
    redis_url: str,
    *,
    url: str = "",
    limits: Mapping[str, Any] | None = None,
    deadline_ms: int = 5_000,
    hold_seconds: float = 300.0,
    webhooks: WebhookSettings | None = None,
    **cluster: Any,
) -> AsyncIterator[NodeOf]:
    """``url``: another way to the same database; ``limits``: settings of that section."""
    config = Config(
        auth=AuthSettings(secret=SECRET),
        database=DatabaseSettings(url=url or url_of(database), **(limits or {})),
        actors=ActorSettings(command_deadline_ms=deadline_ms),
        reservations=ReservationSettings(hold_seconds=hold_seconds),
        redis=RedisSettings(url=redis_url, stream=database.name),
        webhooks=webhooks or WebhookSettings(),
        cluster=ClusterSettings(**{**QUICK, **cluster}),
    )
    async with (
        running_hub(config) as running,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as opened,
    ):
        clinic = Clinic(running.url, template.people, session, opened, database)
        yield NodeOf(running=running, clinic=clinic)


@asynccontextmanager
async def nodes(
    template: Template, folder: Path, valkey: ValkeyServer, count: int = 3, **cluster: Any
) -> AsyncIterator[Sequence[NodeOf]]:
    """That many nodes on a copy of the clinic, all of which know each other."""
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        async with AsyncExitStack() as stack:
            made = [
                await stack.enter_async_context(one_node(template, database, valkey.url, **cluster))
                for _ in range(count)
            ]
            await all_know(made, count)
            yield made


async def all_know(made: Sequence[NodeOf], count: int) -> None:
    """Wait until each of them sees so many members, and these as they are called now."""

    def ready() -> bool:
        ids = {each.cluster.membership.me for each in made}
        views = [set(each.cluster.membership.view.nodes) for each in made]
        return all(len(view) == count and len(view & ids) == min(count, len(ids)) for view in views)

    assert await eventually(ready, 10.0), [each.cluster.membership.view for each in made]


def database_of(node: NodeOf) -> OnPostgres:
    database = node.clinic.database
    assert isinstance(database, OnPostgres)
    return database


async def make_owner(made: Sequence[NodeOf], wanted: NodeOf) -> Person:
    """A dentist whose calendar belongs to that node, which may get another id for it; the
    calendar is there."""
    dentist = wanted.clinic.dentists[0]
    if owner_of(made, dentist) is not wanted:
        await _live_anew(made, wanted, dentist)
    assert owner_of(made, dentist) is wanted
    await wanted.clinic.free(wanted.clinic.patients[8], dentist=dentist)
    return dentist


async def _live_anew(made: Sequence[NodeOf], node: NodeOf, owning: Person) -> None:
    """The same node under an id with which it has that calendar."""
    keeper, members = node.cluster.keeper, node.cluster.membership
    others, any_id = [each.id for each in made if each is not node], keeper._new_id
    ids = (any_id() for _ in range(100_000))
    fitting = next(one for one in ids if place(owning.id, (*others, one)) == one)
    keeper._new_id = lambda: fitting
    try:
        await keeper._nodes.leave(members.me)
        await keeper.renew()  # or its own loop was faster
    finally:
        keeper._new_id = any_id
    await all_know(made, len(made))


async def book_when_possible(
    node: NodeOf, patient: Person, slot: dict[str, str], *, key: str, within_s: float = 10.0
) -> dict[str, Any]:
    """The booking; until then 503 is an honest answer, and with its key it is made once."""
    body: dict[str, Any] = {}

    async def booked() -> bool:
        answer = await node.clinic.api(patient).post("/api/appointments", slot, idempotency_key=key)
        assert answer.status in (201, 503), answer.body
        body.update(answer.body)
        return answer.status == 201

    assert await eventually(booked, within_s), body
    return body


async def quick_again(
    made: Sequence[NodeOf], screen: Screen, booker: NodeOf, dentist: Person | None = None
) -> None:
    """The stream is taken up by itself: an event is with ``screen`` sooner than by repair.

    Books the afternoon of the screen's dentist (the first, if nobody is named) for the
    seventh patient, through ``booker``.
    """
    dentist = dentist or booker.clinic.dentists[0]

    def whole() -> bool:
        return all(each.cluster.receiver.reader.up for each in made)

    assert await eventually(whole, 10.0)
    for clock in ("13:00", "14:00", "15:00", "16:00"):
        row = await booker.clinic.book(booker.clinic.patients[6], clock, dentist=dentist)
        before = time.monotonic()
        await screen.event("appointment.created", LATE_S, id=row["id"])
        if time.monotonic() - before < QUICKLY_S:
            return
    raise AssertionError("the stream did not come back")


def owner_of(made: Sequence[NodeOf], dentist: Person) -> NodeOf:
    """Where the calendar belongs, as all of them see it."""
    where = made[0].cluster.membership.view.place(DentistId(dentist.id))  # type: ignore[arg-type]  # a profile's id
    return next(each for each in made if each.id == where)
