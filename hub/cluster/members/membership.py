"""What this node knows of the cluster: its id, its lease and the other members."""

import asyncio

import structlog

from actors.ports.clock import Clock
from hub.cluster.members.lease import Lease
from hub.cluster.members.view import ClusterView
from store.postgres.nodes import Node, Roster

log = structlog.get_logger(__name__)


class Membership:
    """The current membership, read before every use; reading never waits.

    The :class:`~hub.cluster.members.lease_keeper.LeaseKeeper` updates it. A node that was
    evicted joins again under a new id: a new incarnation, which owns nothing.
    """

    def __init__(self, clock: Clock, *, lease_s: float) -> None:
        self._clock = clock
        self.lease = Lease(ttl_s=lease_s, margin_s=min(1.0, lease_s / 6))
        self.me = ""
        """The id of this incarnation; empty before the node has joined."""
        self.key = b""
        """The key that all nodes sign with."""
        self.roster = Roster(epoch=0, nodes=())
        self.view = ClusterView(me="", epoch=0, nodes=())
        self.incarnations = 0
        """How often this process joined. More than once means that it was cut off."""
        self.evictions = 0
        """How many other nodes this one evicted."""
        self.refresh_requested = asyncio.Event()

    @property
    def lease_is_held(self) -> bool:
        """Whether no other node can have taken over a calendar of this one yet."""
        return self.lease.held(self._clock.monotonic())

    @property
    def lease_left_s(self) -> float:
        return self.lease.left_s(self._clock.monotonic())

    def is_placed_here(self, key: str) -> bool:
        """Whether work that one node of the cluster has to do is for this one."""
        return self.view.is_mine(key)

    def node(self, node_id: str) -> Node | None:
        return next((node for node in self.roster.nodes if node.id == node_id), None)

    def request_refresh(self) -> None:
        """Renew and read the members soon: a node does not answer, or knows a newer epoch."""
        self.refresh_requested.set()

    # --- updates by the lease keeper ---

    def joined(self, node_id: str, key: bytes, sent_s: float) -> None:
        self.me, self.key = node_id, key
        self.incarnations += 1
        self.lease = self.lease.lost().renewed(sent_s)

    def lost(self) -> None:
        """This node owns nothing from now on."""
        self.lease = self.lease.lost()
        self.view = ClusterView(me=self.me, epoch=self.view.epoch, nodes=())

    def update(self, roster: Roster) -> bool:
        """Adopt what the database answered; returns whether the members changed."""
        changed = roster.epoch != self.roster.epoch or self.view.me != self.me
        for node in roster.evicted:
            self.evictions += 1
            log.warning("node_buried", node=node)
        self.roster = roster
        self.view = ClusterView(
            me=self.me,
            epoch=roster.epoch,
            nodes=tuple(node.id for node in roster.nodes),
            leaving=frozenset(node.id for node in roster.nodes if node.leaving),
        )
        return changed
