"""This node's part in the cluster; it exists only where ``[redis] url`` is set."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from actors.relay.repair import ChannelRepair
from actors.tasks import Work
from api.realtime.supabase.presence_sync import PUBLISH_EVERY_S, PresenceSync
from hub.background import every
from hub.cluster.calendars.forwarded import ForwardedRequests
from hub.cluster.calendars.holds import HoldWatch
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.router import Router
from hub.cluster.figures import ClusterFigures
from hub.cluster.internal.disconnects import ClusterConnections
from hub.cluster.local_node import LocalNode
from hub.cluster.members.crash_watch import CrashWatch
from hub.cluster.members.lease_keeper import LeaseKeeper
from hub.cluster.members.membership import Membership
from hub.cluster.stream.abandoned import AbandonedEvents
from hub.cluster.stream.receiver import StreamReceiver

log = structlog.get_logger(__name__)

_ABANDONED_EVERY_S = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The services use ``router`` in place of the registry, and ``connections``."""

    node: LocalNode
    keeper: LeaseKeeper
    crash_watch: CrashWatch
    ownership: Ownership
    router: Router
    forwarded: ForwardedRequests
    connections: ClusterConnections
    holds: HoldWatch
    repair: ChannelRepair
    receiver: StreamReceiver
    abandoned: AbandonedEvents
    presence: PresenceSync
    figures: ClusterFigures
    repair_s: float

    @property
    def membership(self) -> Membership:
        return self.node.membership

    def background(self) -> Sequence[Work]:
        """The work of the cluster while the hub serves."""
        return (
            self.ownership.run(),
            self.holds.run(),
            self.repair.run(),
            self.receiver.reader.run(),
            every(self.repair_s, self.receiver.check_silence),
            every(_ABANDONED_EVERY_S, self.abandoned.mark),
            every(PUBLISH_EVERY_S, self.presence.publish),
        )

    async def drain(self) -> None:
        """Hand all calendars over, while requests are still answered: they are forwarded.

        If that fails, the lease ends by itself.
        """
        try:
            await self.keeper.begin_to_leave()
            await self.ownership.hand_over_all()
        except Exception as error:  # for example a database outage
            log.warning("drain_incomplete", error=str(error))

    async def leave(self) -> None:
        try:
            await self.keeper.leave()
        except Exception as error:  # the lease ends by itself
            log.warning("node_left_without_a_word", error=str(error))
