"""Ending a person's connections at every node: each is asked, so that done means done."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from actors.domain.ids import ProfileId
from actors.domain.refusals import Refusal, Unavailable
from hub.cluster.internal.node_client import Link, NeverSent, NoAnswer, NotThere
from hub.cluster.members.membership import Membership
from store.postgres.nodes import Node

log = structlog.get_logger(__name__)

DISMISS: Final = "/internal/dismiss"
_WITHIN_S: Final = 2.0


class Dismissals:
    """``here`` ends the connections of this node. Not over the stream of events: nobody would
    know whether that was heard."""

    def __init__(
        self, membership: Membership, link: Link, here: Callable[[ProfileId], None]
    ) -> None:
        self._members, self._link, self._here = membership, link, here

    async def serve(self, said: Any) -> Any:
        self._here(ProfileId(said["person"]))
        return {}

    async def elsewhere(self, person: ProfileId) -> None:
        """At all other nodes. Raises Unavailable when one of them did not answer."""
        await self._look_around()
        others = [node for node in self._members.roster.nodes if node.id != self._members.me]
        done = await asyncio.gather(*(self._ask(node, person) for node in others))
        if not all(done):
            self._members.look_again()
            raise Unavailable

    async def _look_around(self) -> None:
        """Somebody may have come a moment ago. Raises Unavailable."""
        try:
            await self._members.renew()
        except Exception as error:  # whatever the database says
            raise Unavailable from error

    async def _ask(self, node: Node, person: ProfileId) -> bool:
        try:
            await self._link.post(node, DISMISS, {"person": person}, within_s=_WITHIN_S)
        except (NeverSent, NoAnswer, NotThere, Refusal) as error:
            log.warning("node_unanswered", node=node.id, error=str(error))
            return False
        return True
