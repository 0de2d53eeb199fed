"""Records what a live connection delivers, compactly, for the audit."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from chairside.client import HubClient, HubEvent, Position


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """One event as it was delivered: its position and a digest of the rest."""

    epoch: int
    offset: int
    digest: bytes


def digest_of(event: HubEvent) -> bytes:
    """Equal for equal envelopes, in any order of their fields."""
    whole = [event.id, event.type, event.channel, event.time, event.data]
    text = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=12).digest()


@dataclass(slots=True)
class WatchedChannel:
    """One channel on one screen."""

    start: Position
    """Where delivery began."""
    shown: list[ShownEvent] = field(default_factory=list)
    lost_history: bool = False
    """The hub requested a refetch later on. Only days without a connection justify that."""


class Observer:
    """Records for a :class:`LiveClient`, which calls ``on_event`` and ``on_refetch``."""

    def __init__(
        self, name: str, reader: HubClient, *listeners: Callable[[HubEvent], None]
    ) -> None:
        self.name = name
        self.reader = reader
        """Reads the history of the same principal, for comparison."""
        self.channels: dict[str, WatchedChannel] = {}
        self._listeners = listeners

    def on_event(self, event: HubEvent) -> None:
        if event.offset is None or event.epoch is None:
            return
        shown = ShownEvent(event.epoch, event.offset, digest_of(event))
        self.channels[event.channel].shown.append(shown)
        for listener in self._listeners:
            listener(event)

    def on_refetch(self, channel: str, position: Position) -> None:
        if channel in self.channels:
            self.channels[channel].lost_history = True
        else:
            self.channels[channel] = WatchedChannel(start=position)

    @property
    def events(self) -> int:
        return sum(len(watched.shown) for watched in self.channels.values())

    def has_reached(self, channel: str, position: Position) -> bool:
        """Whether ``channel`` was delivered up to ``position``."""
        watched = self.channels[channel]
        last = watched.shown[-1] if watched.shown else watched.start
        return (last.epoch, last.offset) >= (position.epoch, position.offset)
