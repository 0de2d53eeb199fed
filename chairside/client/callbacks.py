"""The callbacks with which an application receives events."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chairside.client.channels import HubEvent, Position
from chairside.client.tracking import ChannelTracker, ChannelUpdate

logger = logging.getLogger(__name__)

OnEvent = Callable[[HubEvent], None]
"""Called with each event, once and in order. Must not block."""

OnRefetch = Callable[[str, Position], None]
"""Called with a channel and its position when history does not reach back: fetch again what
the channel is about. Also called at first, for a channel without a position."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    on_event: OnEvent
    on_refetch: OnRefetch

    def deliver(self, tracker: ChannelTracker, update: ChannelUpdate) -> None:
        """Call back; an exception of a callback is logged and keeps the connection."""
        try:
            if update.refetch:
                assert tracker.position is not None
                self.on_refetch(tracker.channel, tracker.position)
            for event in update.deliver:
                self.on_event(event)
        except Exception:
            logger.exception("callback failed", extra={"channel": tracker.channel})
