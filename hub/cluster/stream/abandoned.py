"""The events of nodes that failed before they could record the delivery."""

from datetime import timedelta

import structlog

from actors.ports.clock import Clock
from actors.ports.events import Delivery, EventLog, EventRecord
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)


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
