"""Ends the connections of a person or a session at every node, by a request to each."""

import asyncio
from typing import Final

import structlog

from actors.domain.ids import ProfileId
from actors.domain.refusals import Refusal, Unavailable
from actors.domain.sign_in import SessionId
from actors.ports.profiles import Connections
from hub.cluster.internal.codec import JsonObject, from_json
from hub.cluster.internal.node_client import NoAnswer, NodeClient, NotOwner, NotSent
from hub.cluster.members.lease_keeper import LeaseKeeper
from hub.cluster.members.membership import Membership
from store.postgres.nodes import Node

log = structlog.get_logger(__name__)

DISCONNECT_PATH: Final = "/internal/dismiss"
_ANSWER_S: Final = 2.0


class ClusterConnections:
    """Implements :class:`actors.ports.profiles.Connections` for all nodes.

    It does not use the stream of events: there, no node learns what another received.
    """

    def __init__(
        self,
        membership: Membership,
        keeper: LeaseKeeper,
        client: NodeClient,
        local: Connections,
    ) -> None:
        """``local`` are the connections of this node."""
        self._members, self._keeper, self._client = membership, keeper, client
        self._local = local

    async def end(self, person: ProfileId) -> None:
        await self._local.end(person)
        await self._at_others({"person": person})

    async def end_session(self, session: SessionId) -> None:
        await self._local.end_session(session)
        await self._at_others({"session": session})

    async def recheck(self, person: ProfileId) -> None:
        await self._local.recheck(person)
        await self._at_others({"person": person, "only_lost": True})

    async def serve(self, request: JsonObject) -> JsonObject:
        """Another node's request to end the connections of a session or a person here."""
        if "session" in request:
            await self._local.end_session(SessionId(from_json(request["session"], str)))
            return {}
        person = ProfileId(from_json(request["person"], str))
        if request.get("only_lost"):
            await self._local.recheck(person)
        else:
            await self._local.end(person)
        return {}

    async def _at_others(self, request: JsonObject) -> None:
        await self._refresh_members()
        others = [node for node in self._members.roster.nodes if node.id != self._members.me]
        if not all(await asyncio.gather(*(self._send(node, request) for node in others))):
            self._members.request_refresh()
            raise Unavailable

    async def _refresh_members(self) -> None:
        """A node may have joined a moment ago. Raises Unavailable."""
        try:
            await self._keeper.renew()
        except Exception as error:  # of any kind, from the database
            log.exception("members_unreadable")
            raise Unavailable from error

    async def _send(self, node: Node, request: JsonObject) -> bool:
        try:
            await self._client.post(node, DISCONNECT_PATH, request, within_s=_ANSWER_S)
        except (NotSent, NoAnswer, NotOwner, Refusal) as error:
            log.warning("node_unanswered", node=node.id, error=str(error))
            return False
        return True
