"""The way of one request to the owner of its calendar."""

import asyncio
import random
from collections.abc import MutableMapping
from typing import Final

from actors.domain.ids import DentistId
from actors.domain.refusals import Unavailable
from actors.ports.clock import Clock
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.routing import NoNode, Route, ThisNode, route
from hub.cluster.members.membership import Membership

HOPS_MAX: Final = 2
"""Requests in a row before the search pauses."""
_PAUSE_S: Final = (0.05, 0.15)
_SHORTEST_ATTEMPT_S: Final = 0.1

KnownOwners = MutableMapping[DentistId, str]
"""Where calendars were found that are not where they are placed."""


class OwnerSearch:
    """Chooses the next node from the answers so far, until the deadline."""

    def __init__(
        self,
        dentist_id: DentistId,
        membership: Membership,
        ownership: Ownership,
        known_owners: KnownOwners,
        clock: Clock,
        *,
        deadline_s: float,
    ) -> None:
        """``deadline_s`` is a time of the monotonic clock."""
        self.dentist_id = dentist_id
        self._members, self._ownership, self._known = membership, ownership, known_owners
        self._clock, self._deadline_s = clock, deadline_s
        self._owner = known_owners.get(dentist_id)
        """The node that is said to own the calendar."""
        self.named = False
        """The database named that node."""
        self.unanswered = False
        """A node did not answer at all."""
        self.maybe_committed = False
        """A node may have committed the command, and its answer was lost."""
        self._hops = 0

    @property
    def left_s(self) -> float:
        """The time for one attempt."""
        return max(_SHORTEST_ATTEMPT_S, self._deadline_s - self._clock.monotonic())

    async def next_node(self) -> Route:
        """The node for the next request; waits for a handover that is under way."""
        dentist_id, ownership = self.dentist_id, self._ownership
        await ownership.settled(dentist_id)
        view, is_active = self._members.view, ownership.is_active(dentist_id)
        found = route(view, dentist_id, is_active=is_active, owner=self._owner)
        if isinstance(found, NoNode):
            self._pause_next()
        elif isinstance(found, ThisNode) and not is_active and self.named and view.is_leaving:
            # This node owns the calendar, but activates nothing any more: free it for the others.
            await ownership.hand_over([dentist_id])
            self.forget_owner()
            return route(view, dentist_id, is_active=False, owner=None)
        return found

    def sent(self) -> None:
        """A request is being sent."""
        self._hops += 1

    def answered_by(self, node_id: str) -> None:
        if self._owner == node_id and self._members.view.place(self.dentist_id) != node_id:
            self._known[self.dentist_id] = node_id

    def not_owned_here(self, owner: str | None) -> None:
        """The database names another owner than this node."""
        self._hops += 1
        if owner is None or owner not in self._members.view.nodes:
            self._members.request_refresh()
            self._pause_next()
        self.redirected(owner)

    def redirected(self, owner: str | None) -> None:
        """Continue with the named owner; without a new name, where the calendar is placed."""
        self._known.pop(self.dentist_id, None)
        self.named = owner is not None and owner != self._owner
        self._owner = owner if self.named else None

    def not_answered(self) -> None:
        """Pause: the lease of that node must end before another node can own the calendar."""
        self.unanswered = True
        self._members.request_refresh()
        self.forget_owner()
        self._pause_next()

    def forget_owner(self) -> None:
        """Nothing is known of the owner any more."""
        self._known.pop(self.dentist_id, None)
        self._owner, self.named = None, False

    async def pause(self) -> None:
        """Wait after :data:`HOPS_MAX` requests in a row. Raises Unavailable at the deadline."""
        left_s = self._deadline_s - self._clock.monotonic()
        if left_s <= 0:
            raise Unavailable
        if self._hops >= HOPS_MAX:
            self._hops = 0
            await asyncio.sleep(min(left_s, random.uniform(*_PAUSE_S)))  # noqa: S311  # jitter

    def _pause_next(self) -> None:
        self._hops = HOPS_MAX
