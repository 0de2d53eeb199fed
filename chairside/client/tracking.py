"""Tracks the position in one channel: which events are new, and which are missing.

Rules of the protocol (``docs/protocol.md``): an event is identified by (channel, epoch,
offset); a gap is closed by catching up from the last known position; if history does not
reach back that far, the application fetches its data again. Events are never delivered out
of order.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chairside.client.channels import CatchUp, HubEvent, Position

logger = logging.getLogger(__name__)

OnEvent = Callable[[HubEvent], None]
"""Called with each event, once and in order. Must not block."""

OnRefetch = Callable[[str, Position], None]
"""Called with a channel and its position when history does not reach back: fetch again what
the channel is about. Also called at first, for a channel without a position."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelUpdate:
    """What to do after a message: deliver events, request a catch-up, refetch."""

    deliver: tuple[HubEvent, ...] = ()
    catch_up: bool = False
    refetch: bool = False


NOTHING: Final = ChannelUpdate()
CATCH_UP: Final = ChannelUpdate(catch_up=True)


class ChannelTracker:
    """The position of one client in one channel, over all its connections. Pure."""

    def __init__(self, channel: str, since: Position | None = None) -> None:
        self.channel = channel
        self.position = since
        self.duplicates = 0
        """Events that were dropped because they were delivered before."""
        self.gaps = 0
        """Times that events were missing and a catch-up was requested."""
        self._catching_up = False

    def received(self, event: HubEvent) -> ChannelUpdate:
        """A live event arrived."""
        if event.offset is None:
            return ChannelUpdate(deliver=(event,))
        if self.position is None or event.epoch != self.position.epoch:
            return self._request_catch_up()
        return self._advance(self.position, (event,))

    def hub_is_at(self, position: Position) -> ChannelUpdate:
        """``channel:position`` arrived: reveals that the latest events were lost."""
        known = self.position
        if known and known.epoch == position.epoch and known.offset >= position.offset:
            return NOTHING
        return self._request_catch_up()

    def catch_up_sent(self) -> None:
        """A catch-up is in flight; it also covers gaps that are noticed until it returns."""
        self._catching_up = True

    def catch_up_failed(self) -> None:
        """The catch-up or its answer was lost."""
        self._catching_up = False

    def caught_up(self, answer: CatchUp) -> ChannelUpdate:
        """A catch-up returned, or this channel's part of ``hub:ready`` arrived."""
        self._catching_up = False
        if answer.position is None:
            return NOTHING
        if not answer.recovered:
            self.position = answer.position
            return ChannelUpdate(refetch=True)
        if self.position is None or self.position.epoch != answer.position.epoch:
            return self._request_catch_up()  # the answer to another position
        update = self._advance(self.position, answer.events)
        if update.catch_up:
            return update
        if answer.more:
            self._catching_up = True
            return replace(update, catch_up=True)
        if self.position < answer.position:
            return self._request_catch_up(update.deliver)
        return update

    def _advance(self, position: Position, events: Sequence[HubEvent]) -> ChannelUpdate:
        """Move over the events, which are of this epoch, up to a gap."""
        fresh: list[HubEvent] = []
        for event in events:
            assert event.offset is not None, "history holds no ephemeral events"
            if event.offset > position.offset + 1:
                return self._request_catch_up(fresh)
            if event.offset <= position.offset:
                self.duplicates += 1
            else:
                self.position = position = Position(epoch=position.epoch, offset=event.offset)
                fresh.append(event)
        return ChannelUpdate(deliver=tuple(fresh))

    def _request_catch_up(self, fresh: Sequence[HubEvent] = ()) -> ChannelUpdate:
        """Deliver the fresh events; catch up, unless that is in flight."""
        if self._catching_up:
            return ChannelUpdate(deliver=tuple(fresh))
        self._catching_up = True
        self.gaps += 1
        return ChannelUpdate(deliver=tuple(fresh), catch_up=True)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The callbacks with which an application receives events."""

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
