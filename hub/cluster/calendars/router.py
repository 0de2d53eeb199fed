"""Sends each request to the node that owns the calendar.

A request finds the owner also while calendars move:

1. It goes to the node that is known as the owner, or else to the node where the calendar is
   placed. If that is this node, no other node is involved.
2. A node that does not own the calendar answers 421 and names the owner, which is next.
3. After two nodes in a row the search pauses for a moment and starts again with the members of
   then. So it does after a node that did not answer. Such a node keeps its calendars until its
   lease has ended and another member has evicted it. From then on they are placed on other
   nodes, and the first request activates each of them there: the takeover.
4. At the deadline of the command the answer is Unavailable.

What this node knows about owners only decides where a request goes first. The database decides
who owns a calendar: activating it raises its fence, and a commit with an older fence writes
nothing. If an answer was lost, the command may have been committed. Then the next owner looks
for the stored reply first, after it has raised the fence.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from cachetools import LRUCache

from actors.calendar.registry import Registry
from actors.calendar.snapshot import Snapshot
from actors.domain.commands import Command
from actors.domain.ids import DentistId
from actors.ports.clock import Clock
from actors.ports.commits import IdempotencyKey, OwnedElsewhere, Reply
from hub.cluster.calendars.local import LocalCalendars
from hub.cluster.calendars.messages import (
    COMMAND_PATH,
    SNAPSHOT_PATH,
    CalendarRequest,
    CommandRequest,
    SnapshotRequest,
)
from hub.cluster.calendars.owner_search import OwnerSearch
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.remote_snapshots import RemoteSnapshots
from hub.cluster.calendars.routing import OtherNode, ThisNode
from hub.cluster.internal.codec import JsonObject, from_json, refusal_of, to_json
from hub.cluster.internal.node_client import NoAnswer, NodeClient, NotOwner, NotSent
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)
_OWNERS_MAX: Final = 50_000
_SNAPSHOTS_AT_ONCE: Final = 32


class Router:
    """Implements :class:`actors.calendar.registry.Calendars` for all nodes together."""

    def __init__(
        self,
        registry: Registry,
        local: LocalCalendars,
        membership: Membership,
        ownership: Ownership,
        client: NodeClient,
        clock: Clock,
        *,
        deadline_s: float,
    ) -> None:
        self._registry, self._local = registry, local
        self._members, self._ownership, self._client = membership, ownership, client
        self._clock, self._deadline_s = clock, deadline_s
        self._known_owners: LRUCache[DentistId, str] = LRUCache(_OWNERS_MAX)
        self._snapshots = RemoteSnapshots()
        self._slots = asyncio.Semaphore(_SNAPSHOTS_AT_ONCE)
        self.hops = 0
        """Requests to other nodes."""
        self.redirects = 0
        """Answers 421."""
        self.unanswered = 0
        """Requests that another node did not answer."""

    async def execute(
        self, dentist_id: DentistId, command: Command, *, key: IdempotencyKey, request_id: str
    ) -> Reply:
        search = self._search(dentist_id)
        while True:
            match await search.next_node():
                case ThisNode():
                    try:
                        return await self._local.execute(
                            dentist_id,
                            command,
                            key=key,
                            request_id=request_id,
                            maybe_committed=search.maybe_committed,
                        )
                    except OwnedElsewhere as elsewhere:
                        search.maybe_committed = True
                        search.not_owned_here(elsewhere.owner)
                case OtherNode(node_id):
                    request = CommandRequest(
                        dentist_id=dentist_id,
                        epoch=self._members.view.epoch,
                        named=search.named,
                        command=command,
                        key=key,
                        request_id=request_id,
                        doubtful=search.maybe_committed,
                    )
                    answer = await self._post(search, node_id, COMMAND_PATH, request)
                    if answer is not None:
                        return from_json(answer["reply"], Reply)
            await search.pause()

    async def snapshot(self, dentist_id: DentistId) -> Snapshot:
        """The calendar as of its last commit, from a node that certainly owns it; from the
        database while that node does not answer."""
        search = self._search(dentist_id)
        while True:
            match await search.next_node():
                case ThisNode():
                    try:
                        return (await self._local.look(dentist_id)).snapshot
                    except OwnedElsewhere as elsewhere:
                        search.not_owned_here(elsewhere.owner)
                case OtherNode(node_id):
                    kept = self._snapshots.get(dentist_id)
                    request = SnapshotRequest(
                        dentist_id=dentist_id,
                        epoch=self._members.view.epoch,
                        named=search.named,
                        tag=kept.tag if kept else "",
                    )
                    answer = await self._post(search, node_id, SNAPSHOT_PATH, request)
                    if answer is not None:
                        snapshot = self._snapshots.take(dentist_id, answer, kept)
                        if snapshot is not None:
                            return snapshot
                    if search.unanswered:  # the owner is gone: what is committed is the truth
                        return await self._registry.stored_snapshot(dentist_id)
            await search.pause()

    async def snapshots(self, dentist_ids: Sequence[DentistId]) -> Sequence[Snapshot]:
        async def one(dentist_id: DentistId) -> Snapshot:
            async with self._slots:
                return await self.snapshot(dentist_id)

        return await asyncio.gather(*(one(each) for each in dentist_ids))

    def _search(self, dentist_id: DentistId) -> OwnerSearch:
        return OwnerSearch(
            dentist_id,
            self._members,
            self._ownership,
            self._known_owners,
            self._clock,
            deadline_s=self._clock.monotonic() + self._deadline_s,
        )

    async def _post(
        self, search: OwnerSearch, node_id: str, path: str, request: CalendarRequest
    ) -> JsonObject | None:
        """The answer of the node; ``None`` if the search has to continue.

        Raises the Refusal that the node answered.
        """
        node = self._members.node(node_id)
        if node is None:
            search.forget_owner()
            return None
        self.hops += 1
        search.sent()
        try:
            answer = await self._client.post(node, path, to_json(request), within_s=search.left_s)
        except NotOwner as elsewhere:
            self.redirects += 1
            search.redirected(elsewhere.owner)
            return None
        except (NotSent, NoAnswer) as error:
            self.unanswered += 1
            log.warning("node_unanswered", dentist_id=request.dentist_id, error=str(error))
            search.maybe_committed |= isinstance(error, NoAnswer)
            search.not_answered()
            return None
        search.answered_by(node_id)
        if "refusal" in answer:
            raise refusal_of(answer["refusal"])
        return answer
