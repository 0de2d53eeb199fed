"""A screen: a live socket that remembers what it was shown, compactly."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from chairside.client import HubClient, HubEvent, Position


@dataclass(frozen=True, slots=True)
class Seen:
    """One event as it was received: its position and a fingerprint of all the rest."""

    epoch: int
    offset: int
    fingerprint: bytes


def fingerprint(event: HubEvent) -> bytes:
    """Equal for equal envelopes, whatever the order of their fields."""
    whole = [event.id, event.type, event.channel, event.time, event.data]
    text = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=12).digest()


@dataclass(slots=True)
class Watched:
    """One channel on one screen."""

    start: Position
    """Where it began to be shown."""
    seen: list[Seen] = field(default_factory=list)
    lost_history: bool = False
    """The hub said later on: fetch again. Nothing short of days away should need that."""


class Observer:
    """Collects for a :class:`LiveClient`, which calls ``on_event`` and ``on_refetch``."""

    def __init__(
        self, name: str, reader: HubClient, told: Callable[[HubEvent], None] | None = None
    ) -> None:
        self.name = name
        self.reader = reader
        """Reads the history that this screen should have shown, as the same principal."""
        self.channels: dict[str, Watched] = {}
        self.told = told

    def on_event(self, event: HubEvent) -> None:
        if event.offset is None or event.epoch is None:
            return
        self.channels[event.channel].seen.append(
            Seen(event.epoch, event.offset, fingerprint(event))
        )
        if self.told is not None:
            self.told(event)

    def on_refetch(self, channel: str, position: Position) -> None:
        if channel in self.channels:
            self.channels[channel].lost_history = True
        else:
            self.channels[channel] = Watched(start=position)

    @property
    def events(self) -> int:
        return sum(len(watched.seen) for watched in self.channels.values())

    def has_reached(self, channel: str, position: Position) -> bool:
        """Whether this screen has shown ``channel`` up to ``position``."""
        watched = self.channels[channel]
        last = watched.seen[-1] if watched.seen else watched.start
        return (last.epoch, last.offset) >= (position.epoch, position.offset)
