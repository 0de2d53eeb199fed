"""Following a channel: which events are new, which are missing, when to ask again.

Pure: wire values in, a :class:`Step` out; :mod:`chairside.client.live` does the talking.
Rules of DESIGN §6: duplicates are told by (channel, offset), a gap means ask again, an
answer that was not recovered means fetch again. Nothing is ever delivered out of order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def availability_channel(dentist_id: str) -> str:
    """The channel of a dentist's schedule and free times, as documented."""
    return f"availability:dentist:{dentist_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A position in a channel: everything up to ``offset`` of this ``epoch`` is known."""

    epoch: int
    offset: int

    def __str__(self) -> str:
        """As ``GET /api/changes?since=`` takes it."""
        return f"{self.epoch}.{self.offset}"

    def to_wire(self) -> dict[str, int]:
        return {"epoch": self.epoch, "offset": self.offset}


@dataclass(frozen=True, kw_only=True, slots=True)
class HubEvent:
    """The envelope, the same on every wire; ``data`` is the resource as REST shows it."""

    id: str
    type: str
    channel: str
    offset: int | None
    """``None`` for ephemeral events, which no history holds."""
    epoch: int | None
    time: str
    data: dict[str, Any]

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> "HubEvent":
        return cls(
            id=raw["id"],
            type=raw["type"],
            channel=raw["channel"],
            offset=raw["offset"],
            epoch=raw["epoch"],
            time=raw["time"],
            data=raw["data"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelAnswer:
    """What a join, ``hub:ready`` or ``GET /api/changes`` says about one channel."""

    recovered: bool
    events: tuple[HubEvent, ...]
    more: bool
    position: Position | None
    """``None`` for ephemeral channels, which have no history."""

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> "ChannelAnswer":
        return cls(
            recovered=raw["recovered"],
            events=tuple(map(HubEvent.from_wire, raw["events"])),
            more=raw["more"],
            position=None
            if raw["epoch"] is None
            else Position(epoch=raw["epoch"], offset=raw["offset"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What to do next: hand these events over, ask the hub, tell the owner to refetch."""

    deliver: tuple[HubEvent, ...] = ()
    ask: bool = False
    refetch: bool = False


NOTHING = Step()
ASK = Step(ask=True)


class Follower:
    """The position in one channel of one client, over all its connections."""

    def __init__(self, channel: str, since: Position | None = None) -> None:
        self.channel = channel
        self.position = since
        self.duplicates = 0
        """Events dropped because they were known."""
        self.gaps = 0
        """Times that something was missing and had to be asked for."""
        self.refetches = 0
        """Times that history did not reach back."""
        self._asking = False

    def live(self, event: HubEvent) -> Step:
        """An event came over the wire by itself."""
        if event.offset is None or event.epoch is None:
            return Step(deliver=(event,))
        if self.position is None or event.epoch != self.position.epoch:
            return self._ask()
        if event.offset <= self.position.offset:
            self.duplicates += 1
            return NOTHING
        if event.offset > self.position.offset + 1:
            return self._ask()
        self._reached(event.offset)
        return Step(deliver=(event,))

    def hub_is_at(self, position: Position) -> Step:
        """``channel:position``: what the hub has sent so far, so a lost end is noticed."""
        if self.position is None or position.epoch != self.position.epoch:
            return self._ask()
        return self._ask() if position.offset > self.position.offset else NOTHING

    def asked(self) -> None:
        """A question is on its way: gaps seen until its answer are covered by it."""
        self._asking = True

    def unanswered(self) -> None:
        """The question or its answer was lost, with the connection or without."""
        self._asking = False

    def answered(self, answer: ChannelAnswer) -> Step:
        """The answer to a question, or this channel's part of ``hub:ready``."""
        self._asking = False
        if answer.position is None:
            return NOTHING
        if not answer.recovered:
            self.position = answer.position
            self.refetches += 1
            return Step(refetch=True)
        if self.position is None or self.position.epoch != answer.position.epoch:
            return self._ask()  # not an answer to what was asked
        fresh: list[HubEvent] = []
        for event in answer.events:
            assert event.offset is not None, "history holds no ephemeral events"
            if event.offset > self.position.offset + 1:
                return Step(deliver=tuple(fresh), ask=self._ask().ask)
            if event.offset <= self.position.offset:
                self.duplicates += 1
                continue
            self._reached(event.offset)
            fresh.append(event)
        if answer.more:
            self._asking = True
            return Step(deliver=tuple(fresh), ask=True)
        behind = answer.position.offset > self.position.offset
        return Step(deliver=tuple(fresh), ask=behind and self._ask().ask)

    def _reached(self, offset: int) -> None:
        assert self.position is not None, "nothing is delivered before the first answer"
        assert offset == self.position.offset + 1, "delivered in order, without a gap"
        self.position = Position(epoch=self.position.epoch, offset=offset)

    def _ask(self) -> Step:
        if self._asking:
            return NOTHING
        self._asking = True
        self.gaps += 1
        return ASK
