"""Claims of a node that is gone are taken over at once, those of a living one are not."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from actors.ports.messages import DueMessage
from hub.cluster.members.membership import Membership
from hub.cluster.members.placement import place
from hub.cluster.members.succession import Succession
from hub.messages.letters import Letters
from hub.messages.sender import MessageSender
from hub.messages.settings import MessageSettings
from store.postgres.nodes import Node, Roster
from tests.support.clock import FakeClock
from tests.unit.calendars import NOW

FIRST, SECOND = sorted("ab", key=lambda node: place("messages", "ab") != node)
"""The one on which messages are placed while both are there, and the other one."""


def cluster(me: str) -> Membership:
    membership = Membership(FakeClock(NOW), lease_s=6.0)
    membership.joined(me, b"key", 0.0)
    return membership


def members(ids: Iterable[str], leaving: str = "") -> Roster:
    nodes = tuple(
        Node(id=each, name=each, address="http://n", version="1", leaving=each in leaving)
        for each in ids
    )
    return Roster(epoch=len(nodes), nodes=nodes)


def test_the_work_of_an_evicted_node_is_inherited() -> None:
    membership = cluster(SECOND)
    seat = Succession(membership, "messages")
    membership.update(members("ab"))
    assert not seat.is_mine()
    membership.update(members(SECOND))
    assert seat.is_mine()
    assert seat.is_inherited()


def test_the_work_of_a_node_that_goes_on_is_not_inherited() -> None:
    membership = cluster(FIRST)
    seat = Succession(membership, "messages")
    membership.update(members("ab"))
    assert seat.is_mine()
    assert not seat.is_inherited(), "it has just joined"
    leaving = cluster(SECOND)
    seat = Succession(leaving, "messages")
    leaving.update(members("ab"))
    assert not seat.is_mine()
    leaving.update(members("ab", leaving=FIRST))
    assert seat.is_mine()
    assert not seat.is_inherited(), "what it has begun is still under way"


def test_who_was_cut_off_inherits_nothing() -> None:
    membership = cluster(SECOND)
    seat = Succession(membership, "messages")
    membership.update(members("ab"))
    assert not seat.is_mine()
    membership.lost()
    assert not seat.is_mine()
    membership.update(members(SECOND))
    assert seat.is_mine()
    assert not seat.is_inherited()


class Queue:
    """Records up to when claims count as ended."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[datetime] = asyncio.Queue()

    async def due(
        self, now: datetime, *, claims_before: datetime, limit: int
    ) -> Sequence[DueMessage]:
        self.asked.put_nowait(claims_before)
        return ()


@pytest.mark.parametrize("inherits", [True, False])
async def test_inherited_claims_end_at_once(inherits: bool) -> None:
    queue, timeout_s = Queue(), 30.0
    settings = MessageSettings(enabled=True)
    sender = MessageSender(
        settings,
        queue=cast("Any", queue),
        reminders=None,
        letters=Letters(settings, "desk@practice.example"),
        mail=None,
        texts=None,
        clock=FakeClock(NOW),
        timeout_s=timeout_s,
        connections=1,
        on_attempt=lambda *_: None,
    )
    running = asyncio.create_task(sender.run(lambda: True, lambda: inherits))
    claims_before = await asyncio.wait_for(queue.asked.get(), 5.0)
    running.cancel()
    own = NOW + timedelta(seconds=6 * timeout_s)
    assert claims_before < own, "its own claims hold"
    assert (own - claims_before < timedelta(seconds=1)) == inherits
    assert (claims_before == NOW) != inherits
