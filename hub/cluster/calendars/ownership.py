"""Hands calendars over to the nodes where they are placed."""

import asyncio
from collections.abc import Iterable

import structlog

from actors.calendar.registry import Registry
from actors.domain.ids import DentistId
from hub.cluster.members.membership import Membership
from store.postgres.nodes import Nodes

log = structlog.get_logger(__name__)

_BATCH = 10
"""Calendars that are handed over at once."""
_BATCH_PAUSE_S = 0.1
"""Between two batches, unless this node leaves: a node that joins must not cause a storm."""
_RETRY_S = 1.0


class Ownership:
    """The calendars that this node owns, and the handovers that are under way."""

    def __init__(self, registry: Registry, nodes: Nodes, membership: Membership) -> None:
        self._registry, self._nodes, self._members = registry, nodes, membership
        self._handovers: dict[DentistId, asyncio.Event] = {}
        self._check = asyncio.Event()
        self.moves = 0
        """Calendars that were handed over."""

    def is_active(self, dentist_id: DentistId) -> bool:
        """Whether the calendar's actor is in memory here, and stays."""
        return dentist_id not in self._handovers and self._registry.has(dentist_id)

    async def settled(self, dentist_id: DentistId) -> None:
        """Wait for the end of a handover that is under way."""
        while (handover := self._handovers.get(dentist_id)) is not None:
            await handover.wait()

    def members_changed(self) -> None:
        """Check the placement of all owned calendars soon."""
        self._check.set()

    async def run(self) -> None:
        """After each change of the members, hand over what is placed elsewhere; until cancelled."""
        while True:
            await self._check.wait()
            self._check.clear()
            try:
                await self._rebalance(leaving=False)
            except Exception as error:  # for example a database outage: repeated
                log.warning("handover_postponed", error=str(error))
                await asyncio.sleep(_RETRY_S)
                self._check.set()

    async def hand_over_all(self) -> None:
        """Hand over everything without pauses: this node leaves."""
        await self._rebalance(leaving=True)

    async def _rebalance(self, *, leaving: bool) -> None:
        members = self._members
        owned = await self._nodes.owned_by(members.me)
        epoch, moved = members.view.epoch, 0
        misplaced = [each for each in owned if not members.view.is_mine(each)]
        for n in range(0, len(misplaced), _BATCH):
            if members.view.epoch != epoch and not leaving:
                self._check.set()  # the members changed again
                break
            moved += await self.hand_over(misplaced[n : n + _BATCH])
            if not leaving:
                await asyncio.sleep(_BATCH_PAUSE_S)
        if moved:
            log.info("calendars_handed_over", calendars=moved, epoch=epoch)

    async def hand_over(self, dentist_ids: Iterable[DentistId]) -> int:
        """Seal the calendars, finish what they accepted, raise their fences, and free them.

        Requests for them wait meanwhile (:meth:`settled`). Returns how many were freed.
        """
        batch = [each for each in dentist_ids if each not in self._handovers]
        if not batch:
            return 0
        over = asyncio.Event()
        self._handovers.update(dict.fromkeys(batch, over))
        try:
            await asyncio.gather(*(self._registry.stop(each) for each in batch))
            freed = await self._nodes.release(self._members.me, batch)
        finally:
            for each in batch:
                del self._handovers[each]
            over.set()
        self.moves += len(freed)
        return len(freed)
