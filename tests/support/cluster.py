"""Several hubs in this process, on one PostgreSQL and one Valkey."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp

from actors.calendar.settings import ActorSettings, ReservationSettings
from actors.domain.ids import DentistId
from actors.services.chatbot_settings import ChatbotSettings
from actors.services.sign_in_settings import SignInSettings
from api.auth import AuthSettings
from api.http.settings import ServerSettings
from hub.cluster.cluster import Cluster
from hub.cluster.members.placement import place
from hub.cluster.settings import ClusterSettings, RedisSettings
from hub.config import Config
from hub.messages.settings import MailSettings, MessageSettings
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
"""Cluster settings with short timeouts, so that recovery is fast."""
LATE_S = float(QUICK["repair_s"]) + 2.0
"""Delivery of an event that Redis lost: one repair interval, then the wait for the gap."""
AT_ONCE_S = 1.5
"""Anything that waited for Redis would take two seconds or more."""
QUICKLY_S = 0.3
"""Delivery over the stream; repair takes longer."""


@dataclass(frozen=True, kw_only=True)
class ClusterNode:
    """One hub of the cluster, and the clinic as its clients see it."""

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
    messages: MessageSettings | None = None,
    mail: MailSettings | None = None,
    consent: Literal["recorded", "assumed"] = "assumed",
    public_url: str = "",
    **cluster: Any,
) -> AsyncIterator[ClusterNode]:
    """``url``: another address of the database; ``limits``: more database settings.

    People sign in at a hub that has a ``public_url``.
    """
    config = Config(
        auth=AuthSettings(secret=SECRET),
        chatbot=ChatbotSettings(consent=consent),
        server=ServerSettings(public_url=public_url),
        sign_in=SignInSettings(enabled=bool(public_url)),
        database=DatabaseSettings(url=url or url_of(database), **(limits or {})),
        actors=ActorSettings(command_deadline_ms=deadline_ms),
        reservations=ReservationSettings(hold_seconds=hold_seconds),
        redis=RedisSettings(url=redis_url, stream=database.name),
        webhooks=webhooks or WebhookSettings(),
        messages=messages or MessageSettings(),
        mail=mail or MailSettings(),
        cluster=ClusterSettings(**{**QUICK, **cluster}),
    )
    async with (
        running_hub(config) as running,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as opened,
    ):
        clinic = Clinic(running.url, template.people, session, opened, database)
        yield ClusterNode(running=running, clinic=clinic)


@asynccontextmanager
async def nodes(
    template: Template, folder: Path, valkey: ValkeyServer, count: int = 3, **cluster: Any
) -> AsyncIterator[Sequence[ClusterNode]]:
    """``count`` nodes on a copy of the clinic, with complete member lists."""
    with template.copied_to(folder) as database:
        assert isinstance(database, OnPostgres)
        async with AsyncExitStack() as stack:
            made = [
                await stack.enter_async_context(one_node(template, database, valkey.url, **cluster))
                for _ in range(count)
            ]
            await all_know(made, count)
            yield made


async def all_know(made: Sequence[ClusterNode], count: int) -> None:
    """Wait until each node sees ``count`` members under their present ids."""

    def ready() -> bool:
        ids = {each.cluster.membership.me for each in made}
        views = [set(each.cluster.membership.view.nodes) for each in made]
        return all(len(view) == count and len(view & ids) == min(count, len(ids)) for view in views)

    assert await eventually(ready, 10.0), [each.cluster.membership.view for each in made]


def database_of(node: ClusterNode) -> OnPostgres:
    database = node.clinic.database
    assert isinstance(database, OnPostgres)
    return database


async def make_owner(made: Sequence[ClusterNode], wanted: ClusterNode) -> Person:
    """A dentist whose calendar is active on the wanted node.

    The node joins again under another id if its present one does not own the calendar.
    """
    dentist = wanted.clinic.dentists[0]
    if owner_of(made, dentist) is not wanted:
        await _rejoin_as_owner(made, wanted, dentist)
    assert owner_of(made, dentist) is wanted
    await wanted.clinic.free(wanted.clinic.patients[8], dentist=dentist)
    return dentist


async def _rejoin_as_owner(made: Sequence[ClusterNode], node: ClusterNode, dentist: Person) -> None:
    """Give the node an id under which placement assigns it the dentist's calendar."""
    keeper, members = node.cluster.keeper, node.cluster.membership
    others, new_id = [each.id for each in made if each is not node], keeper._new_id
    ids = (new_id() for _ in range(100_000))
    owner_id = next(one for one in ids if place(dentist.id, (*others, one)) == one)
    keeper._new_id = lambda: owner_id
    try:
        await keeper._nodes.leave(members.me)
        await keeper.renew()  # unless its own loop has renewed already
    finally:
        keeper._new_id = new_id
    await all_know(made, len(made))


async def book_when_possible(
    node: ClusterNode, patient: Person, slot: dict[str, str], *, key: str, within_s: float = 10.0
) -> dict[str, Any]:
    """Book, and retry with the same idempotency key while the hub responds with 503."""
    body: dict[str, Any] = {}

    async def booked() -> bool:
        answer = await node.clinic.api(patient).post("/api/appointments", slot, idempotency_key=key)
        assert answer.status in (201, 503), answer.body
        body.update(answer.body)
        return answer.status == 201

    assert await eventually(booked, within_s), body
    return body


async def stream_recovers(
    made: Sequence[ClusterNode], screen: Screen, booker: ClusterNode, dentist: Person | None = None
) -> None:
    """Assert that the stream recovers: ``screen`` gets an event faster than by repair.

    Books afternoon slots of the dentist (default: the first) for the seventh patient
    through ``booker``, until one event is fast enough.
    """
    dentist = dentist or booker.clinic.dentists[0]

    def all_streams_up() -> bool:
        return all(each.cluster.receiver.reader.up for each in made)

    assert await eventually(all_streams_up, 10.0)
    for clock in ("13:00", "14:00", "15:00", "16:00"):
        row = await booker.clinic.book(booker.clinic.patients[6], clock, dentist=dentist)
        before = time.monotonic()
        await screen.event("appointment.created", LATE_S, id=row["id"])
        if time.monotonic() - before < QUICKLY_S:
            return
    raise AssertionError("the stream did not come back")


def owner_of(made: Sequence[ClusterNode], dentist: Person) -> ClusterNode:
    """The node that owns the calendar, by placement."""
    where = made[0].cluster.membership.view.place(DentistId(dentist.id))  # type: ignore[arg-type]  # a profile's id
    return next(each for each in made if each.id == where)
