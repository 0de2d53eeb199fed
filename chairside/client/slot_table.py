"""Free slots in memory: what was fetched, minus what has been taken since. Pure.

Every slot knows the channel offset that it was fetched at. So an event that the hub had already
counted changes nothing, and an event that arrives while a fetch is in flight is not forgotten.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chairside.client.channels import Json, Position
from chairside.client.shapes import AppointmentType

TAKEN_MAX: Final = 256
"""Taken times of a dentist that are remembered for fetches in flight."""


@dataclass(frozen=True, slots=True)
class FreeSlot:
    dentist_id: str
    appointment_type_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class TypeTimes:
    """Duration and buffers of an appointment type."""

    id: str
    duration: timedelta
    before: timedelta
    after: timedelta

    @classmethod
    def from_wire(cls, raw: AppointmentType) -> "TypeTimes":
        return cls(
            id=raw["id"],
            duration=timedelta(minutes=raw["duration_minutes"]),
            before=timedelta(minutes=raw["buffer_before_minutes"]),
            after=timedelta(minutes=raw["buffer_after_minutes"]),
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A time that was taken or freed, with its buffers."""

    start: datetime
    end: datetime
    before: timedelta
    after: timedelta

    @classmethod
    def from_wire(cls, raw: Json) -> "Block":
        return cls(
            start=datetime.fromisoformat(raw["start"]),
            end=datetime.fromisoformat(raw["end"]),
            before=timedelta(minutes=raw.get("buffer_before_minutes", 0)),
            after=timedelta(minutes=raw.get("buffer_after_minutes", 0)),
        )

    def prevents(self, start: datetime, end: datetime, times: TypeTimes) -> bool:
        """Whether an appointment at that time would collide.

        Between two neighbours the larger of the two facing buffers must fit.
        """
        return start < self.end + max(self.after, times.before) and end > self.start - max(
            self.before, times.after
        )


@dataclass(frozen=True, order=True, slots=True)
class StartRange:
    """Slot starts in ``[first, before)``."""

    first: datetime
    before: datetime

    def __contains__(self, start: datetime) -> bool:
        return self.first <= start < self.before

    def covers(self, other: "StartRange") -> bool:
        return self.first <= other.first and self.before >= other.before


class SlotTable:
    """The slots of one dentist, by type and start."""

    def __init__(self) -> None:
        self.epoch = -1
        self._slots: dict[str, dict[datetime, tuple[datetime, int]]] = {}
        """By type and start: the end, and the offset at which the slot was fetched."""
        self._taken: deque[tuple[int, Block]] = deque(maxlen=TAKEN_MAX)
        self._forgotten_to = -1
        """Some of what was taken up to this offset is no longer remembered."""

    def replace(
        self,
        times: TypeTimes,
        starts: StartRange,
        slots: Iterable[tuple[datetime, datetime]],
        position: Position,
    ) -> bool:
        """Store what was fetched for ``starts``. False: it is outdated, fetch again."""
        if position.epoch != self.epoch:
            self._slots.clear()
            self._taken.clear()
            self._forgotten_to = -1
            self.epoch = position.epoch
        if position.offset < self._forgotten_to:
            return False
        since = [block for offset, block in self._taken if offset > position.offset]
        shown = self._slots.get(times.id, {})
        self._slots[times.id] = {
            start: slot for start, slot in shown.items() if start not in starts
        }
        for start, end in slots:
            if not any(block.prevents(start, end, times) for block in since):
                self._slots[times.id][start] = end, position.offset
        return True

    def take(self, blocks: Sequence[Block], offset: int, types: Mapping[str, TypeTimes]) -> None:
        """Remove slots that are no longer free, except those fetched later than ``offset``."""
        for block in blocks:
            if len(self._taken) == TAKEN_MAX:
                self._forgotten_to = self._taken[0][0]
            self._taken.append((offset, block))
        for type_id, shown in self._slots.items():
            times = types[type_id]
            self._slots[type_id] = {
                start: (end, as_of)
                for start, (end, as_of) in shown.items()
                if as_of >= offset or not any(b.prevents(start, end, times) for b in blocks)
            }

    def free(self, type_id: str, starts: StartRange) -> Iterator[tuple[datetime, datetime]]:
        for start, (end, _) in self._slots.get(type_id, {}).items():
            if start in starts:
                yield start, end


def around(blocks: Sequence[Block], types: Iterable[TypeTimes]) -> list[StartRange]:
    """Where starts may have become free: ranges around the blocks, joined where they touch.

    Each begins one longest duration and the largest buffers before its block.
    """
    longest = largest = timedelta()
    for times in types:
        longest = max(longest, times.duration)
        largest = max(largest, times.before, times.after)
    found = []
    for block in blocks:
        buffer = max(largest, block.before, block.after)
        found.append(StartRange(block.start - longest - buffer, block.end + buffer))
    return join(found)


def join(ranges: Iterable[StartRange]) -> list[StartRange]:
    """The same starts in ascending ranges that do not touch."""
    joined: list[StartRange] = []
    for one in sorted(ranges):
        if joined and one.first <= joined[-1].before:
            joined[-1] = StartRange(joined[-1].first, max(joined[-1].before, one.before))
        else:
            joined.append(one)
    return joined
