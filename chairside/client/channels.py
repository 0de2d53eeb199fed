"""Channels as a client sees them: positions, events, and what a catch-up answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]
"""An object of the protocol (``docs/protocol.md``)."""


_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def canonical_id(text: str) -> str:
    """A UUID as the hub writes it, in lower case; any other text as it is."""
    return text.lower() if _UUID.fullmatch(text) else text


def canonical_channel(name: str) -> str:
    """The name of a channel as the hub writes it; events and answers contain this form."""
    kind, colon, subject = name.rpartition(":")
    return kind + colon + canonical_id(subject)


def availability_channel(dentist_id: str) -> str:
    """The channel of a dentist's schedule and free slots (``docs/live.md``)."""
    return f"availability:dentist:{canonical_id(dentist_id)}"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Position:
    """A position in a channel: every event up to ``offset`` of this ``epoch`` is known."""

    epoch: int
    offset: int

    @classmethod
    def from_wire(cls, raw: Json) -> "Position":
        return cls(epoch=raw["epoch"], offset=raw["offset"])

    def __str__(self) -> str:
        """As ``GET /api/changes?since=`` takes it."""
        return f"{self.epoch}.{self.offset}"

    def to_wire(self) -> dict[str, int]:
        return {"epoch": self.epoch, "offset": self.offset}


@dataclass(frozen=True, kw_only=True, slots=True)
class HubEvent:
    """One event in its envelope, the same over every protocol."""

    id: str
    type: str
    """E.g. ``appointment.created``."""
    channel: str
    offset: int | None
    """``None`` for ephemeral events, which the hub does not keep."""
    epoch: int | None
    time: str
    data: dict[str, Any]
    """The resource as REST shows it; which one depends on ``type``."""
    by: dict[str, str] | None = None
    """Who made the change: the role, and in a calendar's channel ``id`` and ``name``."""

    @classmethod
    def from_wire(cls, raw: Json) -> "HubEvent":
        given = {name: raw[name] for name in cls.__slots__ if name != "by"}
        return cls(**given, by=raw.get("by"))

    @property
    def position(self) -> Position | None:
        """The position after this event; ``None`` for ephemeral events."""
        if self.epoch is None or self.offset is None:
            return None
        return Position(epoch=self.epoch, offset=self.offset)


@dataclass(frozen=True, kw_only=True, slots=True)
class CatchUp:
    """One channel's part of a join's ack, of ``hub:ready`` or of ``GET /api/changes``."""

    recovered: bool
    """Whether ``events`` continue the given position without a gap."""
    events: tuple[HubEvent, ...]
    more: bool
    """Whether further events follow; request them from the last event's position."""
    position: Position | None
    """``None`` for ephemeral channels, which have no history."""

    @classmethod
    def from_wire(cls, raw: Json) -> "CatchUp":
        return cls(
            recovered=raw["recovered"],
            events=tuple(map(HubEvent.from_wire, raw["events"])),
            more=raw["more"],
            position=None if raw["epoch"] is None else Position.from_wire(raw),
        )


def catch_ups(channels: Mapping[str, Json]) -> dict[str, CatchUp]:
    """The catch-up of each channel, by name."""
    return {name: CatchUp.from_wire(raw) for name, raw in channels.items()}


def since_query(since: Mapping[str, Position | None]) -> list[tuple[str, str]]:
    """The query of ``GET /api/changes``; a channel without a position begins now."""
    pairs: list[tuple[str, str]] = []
    for channel, position in since.items():
        pairs += [("channel", channel), ("since", str(position or "now"))]
    return pairs
