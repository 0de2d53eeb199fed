"""The files that a power cut would leave, of operations that were recorded.

What was synchronised is there. Of what was written since, each write may be there, or not, or in
part, in any order: a disk keeps whole sectors, and no order between two synchronisations. A file
that was deleted may be there again until any file of the folder is synchronised, which writes the
directory of a journaling file system, too.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.recorded_files import (
    Acknowledgement,
    Deletion,
    Operation,
    Recording,
    Synchronisation,
    Truncation,
    Write,
)

SECTOR: Final = 512


@dataclass(frozen=True, slots=True)
class Image:
    """The files after a power cut that came after ``after`` operations."""

    after: int
    kept: str
    """Which of the writes that were not synchronised are in it."""
    files: Mapping[str, bytes] = field(repr=False)
    acknowledged: frozenset[str] = field(repr=False)


_Change = Write | Truncation | Deletion


class _File:
    """One file: what is certain, and what was written since the last synchronisation."""

    def __init__(self, content: bytes) -> None:
        self._certain = bytearray(content)
        self._since: list[_Change] = []

    @property
    def is_certain(self) -> bool:
        return not self._since

    @property
    def is_deleted(self) -> bool:
        return bool(self._since) and isinstance(self._since[-1], Deletion)

    def changed(self, operation: _Change) -> None:
        self._since.append(operation)

    def synchronised(self) -> None:
        for each in self._since:
            _apply(self._certain, each)
        self._since.clear()

    def kept(self, chance: random.Random | None, share: float) -> bytes:
        """Its content if of each write since a ``share`` is kept; torn where there is a chance."""
        content = bytearray(self._certain)
        if chance is None:
            for each in self._since if share else ():
                _apply(content, each)
            return bytes(content)
        since = [each for each in self._since if chance.random() < share]
        chance.shuffle(since)
        for each in since:
            _apply(content, _torn(each, chance) if chance.random() < 0.3 else each)
        return bytes(content)


def images(recording: Recording, seed: int, *, at_each: int) -> Iterator[Image]:
    """Images before and after every synchronisation.

    Each boundary has one without anything that was not synchronised, one with all of it, and
    ``at_each`` with a random part.
    """
    chance = random.Random(seed)
    files = {name: _File(content) for name, content in recording.at_first.items()}
    acknowledged: set[str] = set()
    for number, operation in enumerate(recording.operations):
        if isinstance(operation, Synchronisation):
            yield from _cut(number, files, acknowledged, chance, at_each)
        _follow(files, acknowledged, operation)
        if isinstance(operation, Acknowledgement | Synchronisation):
            yield from _cut(number + 1, files, acknowledged, chance, at_each)


def _follow(files: Mapping[str, _File], acknowledged: set[str], operation: Operation) -> None:
    match operation:
        case Write() | Truncation() | Deletion():
            files[operation.file].changed(operation)
        case Synchronisation(name):
            for each in (each for each in files.values() if each.is_deleted):
                each.synchronised()
            files[name].synchronised()
        case Acknowledgement(key):
            acknowledged.add(key)


def _cut(
    after: int,
    files: Mapping[str, _File],
    acknowledged: set[str],
    chance: random.Random,
    at_each: int,
) -> Iterator[Image]:
    ways: Sequence[tuple[str, random.Random | None, float]] = [("nothing", None, 0.0)]
    if not all(each.is_certain for each in files.values()):
        parts = [chance.random() for _ in range(at_each)]
        ways = [*ways, ("all", None, 1.0), *((f"{part:.2f}", chance, part) for part in parts)]
    for name, by_chance, share in ways:
        content = {file: each.kept(by_chance, share) for file, each in files.items()}
        yield Image(after, name, content, frozenset(acknowledged))


def _apply(content: bytearray, operation: _Change) -> None:
    match operation:
        case Deletion():
            content.clear()  # SQLite treats a file without content like none
        case Truncation(size=size):
            del content[size:]
            content.extend(bytes(size - len(content)))
        case Write(offset=offset, data=data):
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data


def _torn(operation: _Change, chance: random.Random) -> _Change:
    """The first or the last sectors of a write."""
    if not isinstance(operation, Write) or len(operation.data) <= SECTOR:
        return operation
    first = SECTOR - operation.offset % SECTOR
    place = chance.randrange(first, len(operation.data), SECTOR)
    if chance.random() < 0.5:
        return Write(operation.file, operation.offset, operation.data[:place])
    return Write(operation.file, operation.offset + place, operation.data[place:])
