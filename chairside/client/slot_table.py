"""Free slots in memory: what was fetched, minus what was taken since. Pure.

Rules of DESIGN §6. Every slot knows the position it is true for, so an event that the hub
had counted already changes nothing, and one that comes while an answer is on its way is not
forgotten.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

TAKEN_KEPT = 256
"""Taken intervals of a dentist that are remembered for answers on their way."""


@dataclass(frozen=True, slots=True)
class FreeSlot:
    dentist_id: str
    appointment_type_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """An appointment type, as far as time is concerned."""

    id: str
    duration: timedelta
    before: timedelta
    after: timedelta

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> "Kind":
        return cls(
            id=raw["id"],
            duration=timedelta(minutes=raw["duration_minutes"]),
            before=timedelta(minutes=raw["buffer_before_minutes"]),
            after=timedelta(minutes=raw["buffer_after_minutes"]),
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A time that was taken or freed, with its buffers; never whose."""

    start: datetime
    end: datetime
    before: timedelta
    after: timedelta

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> "Block":
        return cls(
            start=moment(raw["start"]),
            end=moment(raw["end"]),
            before=timedelta(minutes=raw.get("buffer_before_minutes", 0)),
            after=timedelta(minutes=raw.get("buffer_after_minutes", 0)),
        )

    def is_in_the_way_of(self, start: datetime, end: datetime, kind: Kind) -> bool:
        """Between two neighbours the larger of the two facing buffers is enough."""
        return start < self.end + max(self.after, kind.before) and end > self.start - max(
            self.before, kind.after
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Starts in ``[first, before)``."""

    first: datetime
    before: datetime

    def covers(self, other: "Window") -> bool:
        return self.first <= other.first and self.before >= other.before

    def within(self, bounds: "Window") -> "Window":
        """The part that is; it may be empty (``first >= before``)."""
        return Window(max(self.first, bounds.first), min(self.before, bounds.before))

    def joined(self, other: "Window") -> "Window | None":
        """The two as one, if they touch."""
        if self.first > other.before or other.first > self.before:
            return None
        return Window(min(self.first, other.first), max(self.before, other.before))


@dataclass(frozen=True, slots=True)
class _Entry:
    end: datetime
    as_of: int


class SlotTable:
    """The slots of one dentist, by type and start."""

    def __init__(self) -> None:
        self.epoch = -1
        self._slots: dict[str, dict[datetime, _Entry]] = {}
        self._taken: deque[tuple[int, Block]] = deque(maxlen=TAKEN_KEPT)
        self._forgotten_to = -1
        """Of what was taken up to this offset, not everything is remembered."""

    def replace(
        self,
        kind: Kind,
        window: Window,
        slots: Iterable[tuple[datetime, datetime]],
        epoch: int,
        as_of: int,
    ) -> bool:
        """Take in an answer about the window; false: it is too old, ask again."""
        if epoch != self.epoch:
            self.clear()
            self.epoch = epoch
        if as_of < self._forgotten_to:
            return False
        since = [block for offset, block in self._taken if offset > as_of]
        shown = self._slots.setdefault(kind.id, {})
        for start in [s for s in shown if window.first <= s < window.before]:
            del shown[start]
        for start, end in slots:
            if not any(block.is_in_the_way_of(start, end, kind) for block in since):
                shown[start] = _Entry(end, as_of)
        return True

    def take(self, blocks: Sequence[Block], offset: int, kinds: Mapping[str, Kind]) -> None:
        """Drop what is no longer free, unless the answer that showed it is newer."""
        for block in blocks:
            if len(self._taken) == TAKEN_KEPT:
                self._forgotten_to = self._taken[0][0]
            self._taken.append((offset, block))
        for type_id, shown in self._slots.items():
            kind = kinds.get(type_id)
            gone = [
                start
                for start, entry in shown.items()
                if kind is not None
                and entry.as_of < offset
                and any(block.is_in_the_way_of(start, entry.end, kind) for block in blocks)
            ]
            for start in gone:
                del shown[start]

    def free(self, type_id: str, window: Window) -> Iterator[tuple[datetime, datetime]]:
        for start, entry in self._slots.get(type_id, {}).items():
            if window.first <= start < window.before:
                yield start, entry.end

    def clear(self) -> None:
        self._slots.clear()
        self._taken.clear()
        self._forgotten_to = -1

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))


def around(blocks: Sequence[Block], kinds: Iterable[Kind]) -> list[Window]:
    """Where starts may have become free: from each block's start minus an own duration and
    the largest buffers to its end plus these; joined where they touch."""
    known = tuple(kinds)
    longest = max((kind.duration for kind in known), default=timedelta())
    buffers = max(
        (buffer for kind in known for buffer in (kind.before, kind.after)), default=timedelta()
    )
    found = []
    for block in blocks:
        buffer = max(buffers, block.before, block.after)
        found.append(Window(block.start - longest - buffer, block.end + buffer))
    return join(found)


def join(windows: Iterable[Window]) -> list[Window]:
    joined: list[Window] = []
    for window in sorted(windows, key=lambda each: each.first):
        both = joined[-1].joined(window) if joined else None
        if both is None:
            joined.append(window)
        else:
            joined[-1] = both
    return joined


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def text_of(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
