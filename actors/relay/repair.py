"""Compares the channels of this node with the database, and reads what the relay was not told of.

So an event of a commit without an answer, or one that Redis loses, is late by one interval at most,
and never missing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from actors.domain.channels import AVAILABILITY_ALL, HUB_STATUS, Channel
from actors.ports.events import EventLog
from actors.relay.relay import Relay

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
