"""The knots between a hub and its cluster, tied here so that the composition root stays flat."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.calendar.snapshot import Snapshot
from actors.domain.channels import Channel
from actors.domain.commands import Command
from actors.domain.ids import DentistId, ProfileId
from actors.ports.commits import IdempotencyKey, Reply
from api.realtime.socketio import Realtime
from api.realtime.supabase import Supabase
from api.realtime.supabase.presence_sync import PresenceUpdate
from hub.clock import SystemClock
from hub.cluster.calendars.ownership import ClaimingStore
from hub.cluster.calendars.router import Router
from hub.cluster.cluster import Cluster, Parts, open_cluster
from hub.cluster.internal.disconnects import Dismissals
from hub.cluster.settings import ClusterSettings, RedisSettings
from store.postgres.nodes import Nodes, open_nodes
from store.settings import DatabaseSettings


class Meeting:
    """Services need the router and the sockets, the router the members, and these the registry;
    the sockets need the services: that knot."""

    claims: ClaimingStore
    router: Router
    realtime: Realtime
    supabase: Supabase
    dismissals: Dismissals | None = None

    async def execute(
        self, dentist_id: DentistId, command: Command, *, key: IdempotencyKey, request_id: str
    ) -> Reply:
        return await self.router.execute(dentist_id, command, key=key, request_id=request_id)

    async def snapshot(self, dentist_id: DentistId) -> Snapshot:
        return await self.router.snapshot(dentist_id)

    async def snapshots(self, dentist_ids: Sequence[DentistId]) -> Sequence[Snapshot]:
        return await self.router.snapshots(dentist_ids)

    def channels(self) -> Sequence[Channel]:
        """What somebody joined here; nobody yet, while the hub is being put together."""
        return self.realtime.context.rooms.channels if hasattr(self, "realtime") else ()

    async def end(self, person: ProfileId) -> None:
        """As :class:`actors.ports.connections.Connections` says."""
        self.dismiss(person)
        if self.dismissals is not None:
            await self.dismissals.elsewhere(person)

    def dismiss(self, person: ProfileId) -> None:
        """Of this node alone; nobody is connected while the hub is being put together."""
        if hasattr(self, "realtime"):
            self.realtime.context.revocations.dismiss(person)

    def hear_presence(self, node: str, said: Mapping[str, Any]) -> None:
        if hasattr(self, "supabase"):
            self.supabase.receive_presence(node, said)


class OtherNodes:
    """Implements :class:`api.realtime.supabase.presence_sync.PresencePeers`."""

    def __init__(self, cluster: Cluster) -> None:
        self._members, self._fanout = cluster.membership, cluster.fanout

    @property
    def me(self) -> str:
        return self._members.me

    @property
    def members(self) -> Collection[str]:
        """As the database said last: a node that lost its own lease still knows the others."""
        return tuple(node.id for node in self._members.roster.nodes)

    def publish(self, update: PresenceUpdate) -> None:
        self._fanout.tell_presence(update)


@asynccontextmanager
async def join(
    settings: ClusterSettings,
    redis: RedisSettings,
    database: DatabaseSettings,
    meeting: Meeting,
    parts: Callable[[Nodes], Parts],
    *,
    deadline_s: float,
) -> AsyncIterator[Cluster]:
    """Become one of the nodes until the block ends; from now on the meeting has a router."""
    async with (
        open_nodes(database, SystemClock(), renew_s=settings.renew_s) as nodes,
        open_cluster(
            settings, redis, parts(nodes), database_url=database.url, deadline_s=deadline_s
        ) as cluster,
    ):
        meeting.router, meeting.dismissals = cluster.router, cluster.dismissals
        yield cluster
