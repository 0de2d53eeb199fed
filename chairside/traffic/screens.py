"""Records what live connections deliver, and compares it with the history of the hub."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from chairside.client import HubClient, HubEvent, Position

CHANNELS_MAX = 20
"""Channels in one request."""


class ShownEvent(NamedTuple):
    """One event as it was delivered: its position and a digest of the rest."""

    position: Position
    digest: bytes

    @classmethod
    def of(cls, event: HubEvent) -> "ShownEvent":
        """The digests of equal envelopes are equal, in any order of their fields."""
        assert event.position is not None, "history holds no ephemeral events"
        whole = [event.id, event.type, event.channel, event.time, event.data]
        text = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
        return cls(event.position, hashlib.blake2b(text, digest_size=12).digest())


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
        if event.position is None:
            return
        self.channels[event.channel].shown.append(ShownEvent.of(event))
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
        return (watched.shown[-1].position if watched.shown else watched.start) >= position

    async def histories(self) -> dict[str, list[ShownEvent]]:
        """All events of each channel since delivery began; without those that lost history."""
        since = {name: watched.start for name, watched in sorted(self.channels.items())}
        found: dict[str, list[ShownEvent]] = {name: [] for name in since}
        for wanted in _batches(since):
            while wanted:
                for name, answer in (await self.reader.changes(wanted)).items():
                    if answer.recovered:
                        found[name] += map(ShownEvent.of, answer.events)
                    else:
                        del found[name]
                    if not (answer.recovered and answer.more):
                        del wanted[name]
                    elif found[name]:  # without events, others filled the response
                        wanted[name] = found[name][-1].position
        return found

    async def heads(self) -> dict[str, Position]:
        """The current position of each channel."""
        found: dict[str, Position] = {}
        for wanted in _batches(dict.fromkeys(self.channels)):
            answers = await self.reader.changes(wanted)
            found |= {name: answer.position for name, answer in answers.items() if answer.position}
        return found


def _batches(since: Mapping[str, Position | None]) -> Iterable[dict[str, Position | None]]:
    pairs = list(since.items())
    for at in range(0, len(pairs), CHANNELS_MAX):
        yield dict(pairs[at : at + CHANNELS_MAX])
