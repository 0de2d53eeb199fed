"""Notices that another node has crashed, long before its lease ends.

A node counts as crashed only if two things hold: the database released the lock that ends with its
process, and nothing listens any more at its address, or another member does. Either one alone may
have another cause. Then it is evicted as if its lease had ended.

No safety rests on that. Who is evicted wrongly owns nothing any more: its commits are refused by
the fences, as those of a node whose lease has ended. Nodes that are paused or cut off still keep
their lock or their port, and lose their calendars when their lease ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, Protocol

import structlog
from yarl import URL

from actors.ports.commits import CommitFailure
from hub.cluster.members.lease_keeper import LeaseKeeper
from hub.cluster.members.membership import Membership
from store.postgres.nodes import Node

log = structlog.get_logger(__name__)

_LOOK_EVERY_S: Final = 0.15
_CONNECT_S: Final = 0.5
_OPEN_AGAIN_S: Final = 1.0


class Locks(Protocol):
    """:class:`store.postgres.liveness.LivenessLocks`."""

    async def hold(self, node_id: str) -> None: ...

    async def free(self, node_ids: Sequence[str]) -> Sequence[str]: ...


OpenLocks = Callable[[], AbstractAsyncContextManager[Locks]]


class CrashWatch:
    """Holds this node's lock, and looks for nodes that have lost theirs."""

    def __init__(self, open_locks: OpenLocks, membership: Membership, keeper: LeaseKeeper) -> None:
        self._open, self._members, self._keeper = open_locks, membership, keeper

    async def run(self) -> None:
        """Watch until cancelled. Without a session nobody is found, and leases decide alone."""
        while True:
            try:
                async with self._open() as locks:
                    await self._watch(locks)
            except CommitFailure as error:
                log.warning("crash_watch_interrupted", error=str(error))
            except Exception:  # a bug must not end the watch
                log.exception("crash_watch_interrupted")
            await asyncio.sleep(_OPEN_AGAIN_S)

    async def _watch(self, locks: Locks) -> None:
        held = ""
        while True:
            if held != self._members.me:  # a new incarnation, after an eviction
                held = self._members.me
                await locks.hold(held)
            await self._look(locks)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self, locks: Locks) -> None:
        members = self._members
        others = [node.id for node in members.roster.nodes if node.id != members.me]
        free = await locks.free(others) if others and members.lease_is_held else ()
        if not free:
            return
        with suppress(CommitFailure):  # the next look tries again
            await self._keeper.renew()  # a node that has left is no member any more
            found = filter(None, map(members.node, free))
            crashed = [node.id for node in found if await self._is_gone(node)]
            if crashed:
                await self._keeper.renew(crashed=crashed)

    async def _is_gone(self, node: Node) -> bool:
        """Whether nothing listens at its address, or another member does."""
        members = self._members.roster.nodes
        if any(each.address == node.address and each.id != node.id for each in members):
            return True
        url = URL(node.address)
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, writer = await asyncio.open_connection(url.host, url.port)
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
        writer.close()
        return False
