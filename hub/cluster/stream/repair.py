"""Compares the channels of this node with the database, and reads what the stream lost.

So an event that Redis loses is late by one interval at most, and never missing.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

import structlog

from actors.domain.channels import AVAILABILITY_ALL, HUB_STATUS, Channel
from actors.ports.clock import Clock
from actors.ports.events import Delivery, EventLog, EventRecord
from actors.relay.relay import Relay
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)

_CHANNELS_MAX: Final = 5_000
"""Channels that are compared in one round."""
_IN_TRANSIT_S: Final = 0.05
"""An event that was committed a moment ago is still on its way to the relay."""


class ChannelRepair:
    """Repairs the channels that have subscribers at this node."""

    def __init__(
        self,
        relay: Relay,
        events: EventLog,
        channels: Callable[[], Sequence[Channel]],
        *,
        repair_s: float,
    ) -> None:
        self._relay, self._events, self._channels = relay, events, channels
        self._repair_s = repair_s
        self._requested = asyncio.Event()
        self._next = 0
        self.repairs = 0
        """Channels that were behind the database."""

    def request(self) -> None:
        """Repair now: events may have been lost."""
        self._requested.set()

    async def run(self) -> None:
        """Repair every ``repair_s`` seconds, and on request, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._repair_s):
                    await self._requested.wait()
            except TimeoutError:
                pass
            self._requested.clear()
            try:
                await self._repair()
            except Exception as error:  # for example a database outage: the next round repairs
                log.warning("repair_postponed", error=str(error))
                await asyncio.sleep(self._repair_s / 4)

    async def _repair(self) -> None:
        channels = self._next_channels({AVAILABILITY_ALL, *self._channels()} - {HUB_STATUS})
        await self._relay.positions(channels)  # the relay knows their positions from here on
        heads = await self._events.heads(channels)
        await asyncio.sleep(_IN_TRANSIT_S)
        self.repairs += self._relay.catch_up(heads)

    def _next_channels(self, channels: set[Channel]) -> Sequence[Channel]:
        """All channels; of very many, the next part in each round."""
        ordered = sorted(channels)
        if len(ordered) <= _CHANNELS_MAX:
            return ordered
        begin = self._next % len(ordered)
        self._next = begin + _CHANNELS_MAX
        return (ordered + ordered)[begin : begin + _CHANNELS_MAX]


class AbandonedEvents:
    """Records the delivery of events whose node failed before it could.

    The other nodes have delivered them: they read them from the database.
    """

    ABANDONED_AFTER = timedelta(seconds=30)
    PAGE = 500

    def __init__(self, events: EventLog, membership: Membership, clock: Clock) -> None:
        self._events, self._members, self._clock = events, membership, clock

    async def mark(self) -> None:
        """To be called regularly; one node of the cluster does the work."""
        if not self._members.is_placed_here("sweep") or not self._members.lease_is_held:
            return
        now = self._clock.now()
        abandoned = [
            record
            for record in await self._events.pending(limit=self.PAGE)
            if now - record.time > self.ABANDONED_AFTER
        ]
        if abandoned:
            log.info("events_left_behind", count=len(abandoned))
            await self._events.mark([self._delivery(record) for record in abandoned])

    def _delivery(self, record: EventRecord) -> Delivery:
        now = self._clock.now()
        return Delivery(
            channel=record.channel,
            position=record.position,
            sent=True,
            at=now,
            latency_ms=(now - record.time).total_seconds() * 1_000,
            attempts=0,
            recipients=0,
            error="the node that committed it was gone; the others read it from the log",
        )
