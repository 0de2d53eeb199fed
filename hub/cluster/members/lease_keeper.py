"""Joins the cluster, renews this node's lease, and evicts nodes whose lease has expired."""

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence

import structlog

from actors.ports.clock import Clock, NewId
from hub import __version__
from hub.cluster.members.membership import Membership
from store.postgres.nodes import Node, Nodes, Roster

log = structlog.get_logger(__name__)

_KEY_BYTES = 32
_SHORTEST_PAUSE_S = 0.05
_AFTER_EXPIRY_S = 0.02
"""How long after the end of another node's lease that lease is checked."""


class LeaseKeeper:
    """Keeps a :class:`Membership` up to date with the table of nodes.

    ``on_lost`` is called when this node was evicted: it must drop what it owned.
    ``on_change`` is called after each change of the members.
    """

    def __init__(
        self,
        nodes: Nodes,
        membership: Membership,
        clock: Clock,
        new_id: NewId,
        *,
        name: str,
        address: str,
        key: str,
        renew_s: float,
        on_lost: Callable[[], None],
        on_change: Sequence[Callable[[], None]] = (),
    ) -> None:
        """``key`` is what the nodes sign with; empty: the key in the database."""
        self._nodes, self._members = nodes, membership
        self._clock, self._new_id = clock, new_id
        self._name, self._address, self._key = name, address, key
        self._renew_s = renew_s
        self._on_lost, self._on_change = on_lost, on_change
        self._renewing = asyncio.Lock()
        self._leaving = False

    async def join(self) -> None:
        """Become a member. Raises what the database raises: a hub that cannot join stops."""
        members, me = self._members, self._new_id()
        node = Node(id=me, name=self._name, address=self._address, version=__version__)
        sent_s = self._clock.monotonic()
        roster, stored_key = await self._nodes.join(
            node, lease_s=members.lease.ttl_s, fresh_key=secrets.token_hex(_KEY_BYTES)
        )
        members.joined(me, (self._key or stored_key).encode(), sent_s)
        log.info("node_joined", node=me, name=self._name, address=self._address)
        self._update(roster)
        if self._leaving:
            await self._nodes.begin_to_leave(me)

    async def run(self) -> None:
        """Renew until cancelled."""
        members, failed = self._members, False
        while True:
            try:
                async with asyncio.timeout(self._pause_s(failed=failed)):
                    await members.refresh_requested.wait()
                await asyncio.sleep(_SHORTEST_PAUSE_S)  # answers further requests, too
            except TimeoutError:
                pass
            members.refresh_requested.clear()
            try:
                await self.renew()
                failed = False
            except Exception as error:  # of any kind: the renewal is repeated
                failed = True
                left_s = round(members.lease_left_s, 2)
                log.warning("lease_not_renewed", left_s=left_s, error=str(error))

    async def renew(self, crashed: Sequence[str] = ()) -> None:
        """Renew once, now, and evict nodes that crashed. Raises what the database raises."""
        members = self._members
        async with self._renewing:
            sent_s = self._clock.monotonic()
            roster = await self._nodes.renew(
                members.me,
                lease_s=members.lease.ttl_s,
                evict=members.lease.may_evict(sent_s),
                crashed=crashed,
            )
            if roster is None:
                self._lose()
                await self.join()
                return
            members.lease = members.lease.renewed(sent_s)
            self._update(roster)

    async def begin_to_leave(self) -> None:
        """Nothing is placed on this node any more; it keeps what it owns."""
        self._leaving = True
        await self._nodes.begin_to_leave(self._members.me)
        await self.renew()

    async def leave(self) -> None:
        """Stop being a member: other nodes may take what this one still owns."""
        self._leaving = True
        async with self._renewing:
            self._lose()
            await self._nodes.leave(self._members.me)
        log.info("node_left", node=self._members.me)

    def _lose(self) -> None:
        if not self._leaving:
            log.warning("lease_lost", node=self._members.me)
        self._members.lost()
        self._on_lost()

    def _update(self, roster: Roster) -> None:
        if self._members.update(roster):
            log.info("members_changed", epoch=roster.epoch, nodes=len(roster.nodes))
            for notify in self._on_change:
                notify()

    def _pause_s(self, *, failed: bool) -> float:
        """Until the next renewal: earlier if the lease of another node ends before, and after
        a failed renewal, which may have used up half of this node's lease."""
        if failed:
            return max(_SHORTEST_PAUSE_S, self._renew_s / 4)
        left_s = [n.lease_left_s for n in self._members.roster.nodes if n.id != self._members.me]
        checks_s = (left + _AFTER_EXPIRY_S if left > 0 else self._renew_s / 4 for left in left_s)
        next_check_s = min(checks_s, default=self._renew_s)
        renewal_s = self._renew_s * random.uniform(0.9, 1.0)  # noqa: S311  # spreads the load
        return max(_SHORTEST_PAUSE_S, min(renewal_s, next_check_s))
