"""Whether the event log of a calendar explains every answer that its clients had.

The log is the order in which the hub says that changes happened. So there is nothing to search
for: each acknowledged change is one event, each event one change; who was answered before another
asked has the lower offset; and each read and refusal fits to the agenda after some offset between
those that were known when it was called and those that were asked for after it returned.
"""

import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import NamedTuple

from tests.histories.operation import VISIT, Kind, Operation, Outcome, Visit, applied


class Logged(NamedTuple):
    """An event of ``appointments:dentist:{id}``."""

    epoch: str
    offset: int
    id: str
    start: int
    version: int
    is_live: bool


def problems(history: Sequence[Operation], log: Sequence[Logged]) -> list[str]:
    """What contradicts the log, or is wrong with it; empty if the log explains everything."""
    agendas, wrong = _agendas(log)
    causes, unexplained = _causes(history, log)
    return [*wrong, *unexplained, *_unfitting(history, agendas, causes)]


def _agendas(log: Sequence[Logged]) -> tuple[list[frozenset[Visit]], list[str]]:
    """The live visits after each offset, and what is wrong with the log itself."""
    wrong = [f"offset {e.offset} at place {n}" for n, e in enumerate(log, 1) if e.offset != n]
    wrong += [f"{len({e.epoch for e in log})} epochs"] * (len({e.epoch for e in log}) > 1)
    versions: dict[str, int] = {}
    live: dict[str, Visit] = {}
    agendas = [frozenset[Visit]()]
    for event in log:
        if event.version != versions.get(event.id, 0) + 1:
            wrong.append(f"offset {event.offset}: version {event.version} of {event.id}")
        versions[event.id] = event.version
        if live.pop(event.id, None) is None and event.version > 1:
            wrong.append(f"offset {event.offset}: {event.id} was not live")
        if event.is_live:
            if any(abs(each.start - event.start) < VISIT for each in live.values()):
                wrong.append(f"offset {event.offset}: {event.id} overlaps")
            live[event.id] = Visit(event.id, event.start, event.version)
        agendas.append(frozenset(live.values()))
    return agendas, wrong


Causes = Mapping[int, Sequence[Operation]]
"""The operations that may have caused the event of an offset. Those that were answered name the
version that they made or found; of the others, nobody knows."""


def _causes(history: Sequence[Operation], log: Sequence[Logged]) -> tuple[Causes, list[str]]:
    """With what has no counterpart."""
    made = {(event.id, event.version): event for event in log}
    cancelled = {event.id: event for event in log if not event.is_live}
    causes: dict[int, list[Operation]] = {event.offset: [] for event in log}
    wrong = []
    for change in (each for each in history if each.outcome is Outcome.DONE):
        event = made.get((change.id, change.version))
        if change.kind is Kind.CANCEL:
            event = cancelled.get(change.id)
        if event is not None and _fits(change, event):
            causes[event.offset].append(change)
        elif change.kind is not Kind.READ:
            wrong.append(f"{change} is in no event")
    unclear = [each for each in history if each.outcome is Outcome.UNKNOWN]
    unused = list(unclear)
    for event in log:
        fitting = [each for each in unclear if _fits(each, event)]
        if not causes[event.offset]:
            if (cause := next((each for each in unused if each in fitting), None)) is None:
                wrong.append(f"nobody asked for {event}")
            else:
                unused.remove(cause)
        causes[event.offset].extend(fitting)
    return causes, wrong


def _fits(change: Operation, event: Logged) -> bool:
    if change.id != event.id or event.is_live is (change.kind is Kind.CANCEL):
        return False
    if change.kind is Kind.MOVE and change.outcome is Outcome.UNKNOWN and event.version == 1:
        return False
    return change.kind is Kind.CANCEL or change.start == event.start


def _unfitting(
    history: Sequence[Operation], agendas: Sequence[frozenset[Visit]], causes: Causes
) -> Iterator[str]:
    """Operations that fit nowhere between what came before and after them in time."""
    asked, known = _Asked(causes), _Known()
    own = {each.number: offset for offset, found in causes.items() for each in found}
    for each in sorted(history, key=lambda operation: operation.called):
        if each.outcome is Outcome.UNKNOWN:
            continue
        first = known.at(each.called)
        last = min(asked.after(each.returned), len(agendas)) - 1
        offset = own.get(each.number)
        if offset is None or not first < offset <= last:
            is_only = offset is not None and len(causes[offset]) == 1
            offset = None if is_only else _first_fit(each, agendas, first, last)
        if offset is None:
            yield f"{each} fits to no agenda from offset {first} to {last}"
        else:
            known.learn(each.returned, offset)


def _first_fit(
    each: Operation, agendas: Sequence[frozenset[Visit]], first: int, last: int
) -> int | None:
    """The first offset after which the operation changes nothing."""
    fitting = (k for k in range(first, last + 1) if applied(agendas[k], each) == agendas[k])
    return next(fitting, None)


class _Known:
    """The highest offset that somebody had been told of by some time."""

    def __init__(self) -> None:
        self._told: list[tuple[float, int]] = []

    def learn(self, returned: float, offset: int) -> None:
        if returned < inf:
            self._told.append((returned, offset))

    def at(self, time: float) -> int:
        return max((offset for returned, offset in self._told if returned < time), default=0)


class _Asked:
    """The lowest offset of what was asked for after some time."""

    def __init__(self, causes: Causes) -> None:
        asked = sorted(
            (min(each.called for each in found), offset)
            for offset, found in causes.items()
            if found
        )
        self._called = [called for called, _ in asked]
        self._lowest = [*accumulate((offset for _, offset in reversed(asked)), min)][::-1]

    def after(self, returned: float) -> int:
        place = bisect_right(self._called, returned)
        return self._lowest[place] if place < len(self._lowest) else sys.maxsize
