"""Several hubs on one PostgreSQL and one Valkey: in this process, quick to start."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from actors.domain.ids import DentistId
from hub.cluster.cluster import Cluster
from hub.config import Actors, Auth, Config, Redis, Reservations, Webhooks
from hub.config import Cluster as ClusterSection
from hub.config import Database as DatabaseSection
from tests.support.clinic import Clinic, Person
from tests.support.database import OnPostgres, url_of
from tests.support.eventually import eventually
from tests.support.running import Running, Template, running_hub
from tests.support.tokens import SECRET
from tests.support.valkey import ValkeyServer

QUICK: dict[str, Any] = {
    "lease_s": 1.5,
    "renew_s": 0.5,
    "repair_s": 0.5,
    "drain_s": 0.2,
    "host": "127.0.0.1",
}
"""A cluster whose failures are over soon."""


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
    webhooks: Webhooks | None = None,
    **cluster: Any,
) -> AsyncIterator[NodeOf]:
    """``url``: another way to the same database; ``limits``: settings of that section."""
    config = Config(
        auth=Auth(secret=SECRET),
        database=DatabaseSection(url=url or url_of(database), **(limits or {})),
        actors=Actors(command_deadline_ms=deadline_ms),
        reservations=Reservations(hold_seconds=hold_seconds),
        redis=Redis(url=redis_url, stream=database.name),
        webhooks=webhooks or Webhooks(),
        cluster=ClusterSection(**{**QUICK, **cluster}),
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
    """Wait until each of them sees so many members."""
    ready = lambda: all(  # noqa: E731  # a question, asked again and again
        len(each.cluster.membership.view.nodes) == count for each in made
    )
    assert await eventually(ready, 10.0), [each.cluster.membership.view for each in made]


def owner_of(made: Sequence[NodeOf], dentist: Person) -> NodeOf:
    """Where the calendar belongs, as all of them see it."""
    where = made[0].cluster.membership.view.place(DentistId(dentist.id))  # type: ignore[arg-type]  # a profile's id
    return next(each for each in made if each.id == where)
