"""This node's lease, renewed for as long as it lives, and who else has one."""

import asyncio
import random
import secrets
from collections.abc import Callable

import structlog

from actors.ports.clock import Clock, NewId
from hub import __version__
from hub.cluster.members.lease import Lease
from hub.cluster.members.view import View
from store.postgres.nodes import Node, Nodes, Roster

log = structlog.get_logger(__name__)

_KEY_BYTES = 32
_SOONEST_S = 0.05
_AFTER_LAPSE_S = 0.02
"""How long after a peer's lease must have ended it is looked at again."""

OnChange = Callable[[], None]


class Membership:
    """``view`` and ``surely`` are asked before every use; nothing in here waits for them.

    A node that was buried (it was cut off for longer than its lease) joins again at once,
    under a new id: it owns nothing any more, and ``on_lost`` made it forget what it had.
    """

    def __init__(
        self,
        nodes: Nodes,
        clock: Clock,
        new_id: NewId,
        *,
        name: str,
        address: str,
        lease_s: float,
        renew_s: float,
        on_lost: OnChange,
        on_change: OnChange,
        key: str = "",
    ) -> None:
        self._nodes, self._clock, self._new_id = nodes, clock, new_id
        self._name, self._address = name, address
        self._renew_s = renew_s
        self._on_lost, self._on_change = on_lost, on_change
        self._renewing = asyncio.Lock()
        self._asked = asyncio.Event()
        self._leaving = False
        self._configured_key = key
        self.key = key.encode()
        self.lease = Lease(ttl_s=lease_s, margin_s=min(1.0, lease_s / 6))
        self.me = ""
        self.roster = Roster(epoch=0, nodes=())
        self.view = View(me="", epoch=0, nodes=())
        self.lives = 0
        """How often this process joined: more than once means that it was cut off."""
        self.buried = 0
        """How many others it found dead."""

    # --- asked by others ---

    @property
    def surely(self) -> bool:
        """Whether what this node owns cannot have been taken over yet."""
        return self.lease.held(self._clock.monotonic())

    @property
    def leaving(self) -> bool:
        return self._leaving

    def node(self, node_id: str) -> Node | None:
        return next((node for node in self.roster.nodes if node.id == node_id), None)

    def look_again(self) -> None:
        """Somebody does not answer, or knows a newer epoch: renew soon, and look around."""
        self._asked.set()

    # --- lifetime ---

    async def join(self) -> None:
        """Raises what the database raises: a hub that cannot join does not start."""
        me = self._new_id()
        node = Node(id=me, name=self._name, address=self._address, version=__version__)
        sent_s = self._clock.monotonic()
        roster, common = await self._nodes.join(
            node, lease_s=self.lease.ttl_s, fresh_key=secrets.token_hex(_KEY_BYTES)
        )
        self.key = (self._configured_key or common).encode()
        self.me, self.lives = me, self.lives + 1
        self.lease = self.lease.lost().renewed(sent_s)
        log.info("node_joined", node=me, name=self._name, address=self._address)
        self._see(roster)
        if self._leaving:
            await self._nodes.begin_to_leave(me)

    async def run(self) -> None:
        """Renew until cancelled."""
        failed = False
        while True:
            try:
                async with asyncio.timeout(self._pause_s(failed=failed)):
                    await self._asked.wait()
                await asyncio.sleep(_SOONEST_S)  # whoever else asks, asks for the same
            except TimeoutError:
                pass
            self._asked.clear()
            try:
                await self.renew()
                failed = False
            except Exception as error:  # whatever the database says, it is asked again
                failed = True
                log.warning("lease_not_renewed", left_s=self._left_s(), error=str(error))

    async def renew(self) -> None:
        """One renewal, now. Raises what the database raises."""
        async with self._renewing:
            sent_s = self._clock.monotonic()
            bury = self.lease.may_bury(sent_s)
            roster = await self._nodes.renew(self.me, lease_s=self.lease.ttl_s, bury=bury)
            if roster is None:
                self._lose()
                await self.join()
                return
            self.lease = self.lease.renewed(sent_s)
            for node in roster.buried:
                self.buried += 1
                log.warning("node_buried", node=node)
            self._see(roster)

    async def begin_to_leave(self) -> None:
        self._leaving = True
        await self._nodes.begin_to_leave(self.me)
        await self.renew()

    async def leave(self) -> None:
        """The last thing: whatever is still owned is the others' from now on."""
        self._leaving = True
        async with self._renewing:
            self._lose()
            await self._nodes.leave(self.me)
        log.info("node_left", node=self.me)

    # ---

    def _lose(self) -> None:
        if not self._leaving:
            log.warning("lease_lost", node=self.me)
        self.lease = self.lease.lost()
        self.view = View(me=self.me, epoch=self.view.epoch, nodes=())
        self._on_lost()

    def _see(self, roster: Roster) -> None:
        changed = roster.epoch != self.roster.epoch or self.view.me != self.me
        self.roster = roster
        self.view = View(
            me=self.me,
            epoch=roster.epoch,
            nodes=tuple(node.id for node in roster.nodes),
            leaving=frozenset(node.id for node in roster.nodes if node.leaving),
        )
        if changed:
            log.info("members_changed", epoch=roster.epoch, nodes=len(roster.nodes))
            self._on_change()

    def _left_s(self) -> float:
        return round(self.lease.left_s(self._clock.monotonic()), 2)

    def _pause_s(self, *, failed: bool) -> float:
        """Till the next renewal; sooner where a peer's lease ends before that, and after one
        that failed: half of the lease may be over by then."""
        if failed:
            return max(_SOONEST_S, self._renew_s / 4)
        lapses = [n.lease_left_s for n in self.roster.nodes if n.id != self.me]
        looks = (left + _AFTER_LAPSE_S if left > 0 else self._renew_s / 4 for left in lapses)
        soonest = min(looks, default=self._renew_s)
        jittered = self._renew_s * random.uniform(0.9, 1.0)  # noqa: S311  # spreads load only
        return max(_SOONEST_S, min(jittered, soonest))
