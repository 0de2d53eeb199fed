"""Tracks the position in one channel: which events are new, and which are missing. Pure.

Rules of the protocol (``docs/protocol.md``): an event is identified by (channel, epoch,
offset); a gap is closed by catching up from the last known position; if history does not
reach back that far, the application fetches its data again. Events are never delivered out
of order.
"""

from dataclasses import dataclass
from typing import Final

from chairside.client.channels import CatchUp, HubEvent, Position


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelUpdate:
    """What to do after a message: deliver events, request a catch-up, refetch."""

    deliver: tuple[HubEvent, ...] = ()
    catch_up: bool = False
    refetch: bool = False


NOTHING: Final = ChannelUpdate()
CATCH_UP: Final = ChannelUpdate(catch_up=True)


class ChannelTracker:
    """The position of one client in one channel, over all its connections."""

    def __init__(self, channel: str, since: Position | None = None) -> None:
        self.channel = channel
        self.position = since
        self.duplicates = 0
        """Events that were dropped because they were delivered before."""
        self.gaps = 0
        """Times that events were missing and a catch-up was requested."""
        self.refetches = 0
        """Times that history did not reach back to the position."""
        self._catching_up = False

    def received(self, event: HubEvent) -> ChannelUpdate:
        """A live event arrived."""
        if event.offset is None or event.epoch is None:
            return ChannelUpdate(deliver=(event,))
        if self.position is None or event.epoch != self.position.epoch:
            return self._request_catch_up()
        if event.offset <= self.position.offset:
            self.duplicates += 1
            return NOTHING
        if event.offset > self.position.offset + 1:
            return self._request_catch_up()
        self._advance(event.offset)
        return ChannelUpdate(deliver=(event,))

    def hub_is_at(self, position: Position) -> ChannelUpdate:
        """``channel:position`` arrived: reveals that the latest events were lost."""
        if self.position is None or position.epoch != self.position.epoch:
            return self._request_catch_up()
        return self._request_catch_up() if position.offset > self.position.offset else NOTHING

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
            self.refetches += 1
            return ChannelUpdate(refetch=True)
        if self.position is None or self.position.epoch != answer.position.epoch:
            return self._request_catch_up()  # the answer to another position
        fresh: list[HubEvent] = []
        for event in answer.events:
            assert event.offset is not None, "history holds no ephemeral events"
            if event.offset > self.position.offset + 1:
                return self._deliver(fresh, catch_up=self._request_catch_up().catch_up)
            if event.offset <= self.position.offset:
                self.duplicates += 1
                continue
            self._advance(event.offset)
            fresh.append(event)
        if answer.more:
            self._catching_up = True
            return self._deliver(fresh, catch_up=True)
        is_behind = answer.position.offset > self.position.offset
        return self._deliver(fresh, catch_up=is_behind and self._request_catch_up().catch_up)

    def _deliver(self, events: list[HubEvent], *, catch_up: bool) -> ChannelUpdate:
        return ChannelUpdate(deliver=tuple(events), catch_up=catch_up)

    def _advance(self, offset: int) -> None:
        assert self.position is not None, "nothing is delivered before the first answer"
        assert offset == self.position.offset + 1, "delivered in order, without a gap"
        self.position = Position(epoch=self.position.epoch, offset=offset)

    def _request_catch_up(self) -> ChannelUpdate:
        if self._catching_up:
            return NOTHING
        self._catching_up = True
        self.gaps += 1
        return CATCH_UP
