"""Correct histories, made without a hub, and twenty ways to spoil them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from tests.histories.operation import Kind, Operation, Outcome, Visit, applied
from tests.histories.replay import Logged

EPOCH = "e1"
STARTS = 12
CLIENTS = 5


@dataclass(frozen=True, kw_only=True)
class Recorded:
    history: Sequence[Operation]
    log: Sequence[Logged]


def correct(seed: int, length: int = 80) -> Recorded:
    """Of a calendar that takes one operation after the other, each at an instant between its call
    and its return; some answers are lost."""
    chance, agenda, ids = random.Random(seed), frozenset[Visit](), list[str]()
    history: list[Operation] = []
    log: list[Logged] = []
    free_from = [0.0] * CLIENTS
    for number in range(length):
        client = chance.randrange(CLIENTS)
        instant = number + chance.uniform(0.1, 0.9)
        called = max(free_from[client], instant - chance.expovariate(0.5))
        if called >= instant:
            continue
        returned = free_from[client] = instant + chance.expovariate(0.5)
        kind = chance.choices(tuple(Kind), (5, 2, 2, 3))[0] if ids else Kind.BOOK
        asked = Operation(
            number=number,
            calendar="c",
            kind=kind,
            called=called,
            returned=returned,
            outcome=Outcome.DONE,
            id=f"v{number}" if kind is Kind.BOOK else chance.choice(ids),
            start=chance.randrange(STARTS),
            seen=agenda if kind is Kind.READ else frozenset(),
        )
        answered, after = _answered(agenda, asked)
        if after != agenda:
            ids.append(answered.id)
            log.append(_logged(answered, log))
        if kind in (Kind.BOOK, Kind.MOVE) and answered.outcome is Outcome.DONE:
            version = next(visit.version for visit in after if visit.id == answered.id)
            answered = replace(answered, version=version)
        agenda = after
        if kind is not Kind.READ and chance.random() < 0.08:
            answered = replace(answered, returned=inf, outcome=Outcome.UNKNOWN, version=0)
        history.append(answered)
    return Recorded(history=history, log=log)


def _answered(agenda: frozenset[Visit], asked: Operation) -> tuple[Operation, frozenset[Visit]]:
    for outcome in (Outcome.DONE, Outcome.TAKEN, Outcome.GONE):
        answered = replace(asked, outcome=outcome)
        if (after := applied(agenda, answered)) is not None:
            return answered, after
    raise AssertionError(asked)


def _logged(change: Operation, log: Sequence[Logged]) -> Logged:
    before = [event for event in log if event.id == change.id]
    return Logged(
        epoch=EPOCH,
        offset=len(log) + 1,
        id=change.id,
        start=before[-1].start if change.kind is Kind.CANCEL else change.start,
        version=len(before) + 1,
        is_live=change.kind is not Kind.CANCEL,
    )


Spoil = Callable[[list[Operation], list[Logged]], bool]
"""Changes the lists in place; False if this history offers no place for it."""


def _late(history: list[Operation]) -> float:
    return max(e.returned for e in history if e.returned < inf) + 1


def _append(history: list[Operation], **what: object) -> None:
    late = _late(history)
    number = max(e.number for e in history) + 1
    base = Operation(
        number=number,
        calendar="c",
        kind=Kind.READ,
        called=late,
        returned=late + 1,
        outcome=Outcome.DONE,
    )
    history.append(replace(base, **what))  # type: ignore[arg-type]  # fields by name


def _final(log: list[Logged]) -> dict[str, Logged]:
    last = {event.id: event for event in log}
    return {id_: event for id_, event in last.items() if event.is_live}


def _settled(history: list[Operation], log: list[Logged]) -> list[Logged]:
    """The last events of live visits to which nothing can happen late."""
    open_ids = {each.id for each in history if each.outcome is Outcome.UNKNOWN}
    return [event for id_, event in _final(log).items() if id_ not in open_ids]


def double_booking(history: list[Operation], log: list[Logged]) -> bool:
    """A slot is given to a second person while the first has it."""
    for event in _settled(history, log):
        _append(history, kind=Kind.BOOK, id="twice", start=event.start, version=1)
        log.append(Logged(EPOCH, len(log) + 1, "twice", event.start, 1, is_live=True))
        return True
    return False


def overlap_by_one_step(history: list[Operation], log: list[Logged]) -> bool:
    """As above, by a part of the visit only."""
    for event in _settled(history, log):
        _append(history, kind=Kind.BOOK, id="twice", start=event.start + 1, version=1)
        log.append(Logged(EPOCH, len(log) + 1, "twice", event.start + 1, 1, is_live=True))
        return True
    return False


def lost_booking(history: list[Operation], log: list[Logged]) -> bool:
    """A booking was acknowledged and is not there."""
    _append(history, kind=Kind.BOOK, id="lost", start=100, version=1)
    _append(history, seen=_agenda(log))
    return True


def lost_cancellation(history: list[Operation], log: list[Logged]) -> bool:
    """A cancellation was acknowledged, and the visit is live."""
    for event in _settled(history, log):
        _append(
            history, kind=Kind.CANCEL, id=event.id, start=event.start, version=event.version + 1
        )
        _append(history, seen=_agenda(log))
        return True
    return False


def lost_move(history: list[Operation], log: list[Logged]) -> bool:
    """A move was acknowledged, and the visit is where it was."""
    for event in _settled(history, log):
        _append(history, kind=Kind.MOVE, id=event.id, start=100, version=event.version + 1)
        _append(history, seen=_agenda(log))
        return True
    return False


def booked_twice(history: list[Operation], log: list[Logged]) -> bool:
    """One command made two visits."""
    _append(history, kind=Kind.BOOK, id="once", start=100, version=1)
    log.append(Logged(EPOCH, len(log) + 1, "once", 100, 1, is_live=True))
    log.append(Logged(EPOCH, len(log) + 1, "again", 104, 1, is_live=True))
    _append(history, seen=_agenda(log))
    return True


def stale_read(history: list[Operation], log: list[Logged]) -> bool:
    """A read does not show what was acknowledged before it."""
    seen = _agenda(log)
    _append(history, kind=Kind.BOOK, id="new", start=100, version=1)
    log.append(Logged(EPOCH, len(log) + 1, "new", 100, 1, is_live=True))
    _append(history, seen=seen)
    return True


def read_of_the_future(history: list[Operation], log: list[Logged]) -> bool:
    """A read shows what is asked for after it."""
    seen = _agenda(log) | {Visit("new", 100, 1)}
    _append(history, seen=seen)
    _append(history, kind=Kind.BOOK, id="new", start=100, version=1)
    log.append(Logged(EPOCH, len(log) + 1, "new", 100, 1, is_live=True))
    return True


def half_a_move(history: list[Operation], log: list[Logged]) -> bool:
    """A read shows a visit at its old and at its new time."""
    for event in _settled(history, log):
        seen = _agenda(log)
        _append(history, kind=Kind.MOVE, id=event.id, start=100, version=event.version + 1)
        log.append(event._replace(offset=len(log) + 1, start=100, version=event.version + 1))
        _append(history, seen=seen | {Visit(event.id, 100, event.version + 1)})
        return True
    return False


def visit_missing_in_a_read(history: list[Operation], log: list[Logged]) -> bool:
    """A read leaves out a visit."""
    if not (agenda := _agenda(log)):
        return False
    _append(history, seen=agenda - {min(agenda)})
    return True


def old_version_in_a_read(history: list[Operation], log: list[Logged]) -> bool:
    """A read shows a visit as it was before a change."""
    if not (agenda := _agenda(log)):
        return False
    first = min(agenda)
    _append(history, seen=agenda - {first} | {first._replace(version=first.version + 1)})
    return True


def refused_without_reason(history: list[Operation], log: list[Logged]) -> bool:
    """A free slot is refused as taken."""
    _append(history, kind=Kind.BOOK, start=100, outcome=Outcome.TAKEN)
    return True


def gone_although_live(history: list[Operation], log: list[Logged]) -> bool:
    """A live visit cannot be moved."""
    for event in _settled(history, log):
        _append(history, kind=Kind.MOVE, id=event.id, start=100, outcome=Outcome.GONE)
        return True
    return False


def risen_from_the_dead(history: list[Operation], log: list[Logged]) -> bool:
    """A cancelled visit is moved."""
    for event in reversed(log):
        if event.id not in _final(log):
            version = event.version + 1
            _append(history, kind=Kind.MOVE, id=event.id, start=100, version=version)
            log.append(Logged(EPOCH, len(log) + 1, event.id, 100, version, is_live=True))
            return True
    return False


def against_the_clock(history: list[Operation], log: list[Logged]) -> bool:
    """Of two changes, one after the other, the second is in the log first, and a read shows so."""
    _append(history, kind=Kind.BOOK, id="first", start=100, version=1)
    _append(history, kind=Kind.BOOK, id="second", start=104, version=1)
    called = history[-2].called
    log.append(Logged(EPOCH, len(log) + 1, "second", 104, 1, is_live=True))
    middle = _agenda(log)
    log.append(Logged(EPOCH, len(log) + 1, "first", 100, 1, is_live=True))
    _append(history, seen=middle, called=called)
    return True


def reads_that_go_back(history: list[Operation], log: list[Logged]) -> bool:
    """Two reads during one booking: the first shows it, the second does not."""
    before, late = _agenda(log), _late(history)
    _append(history, kind=Kind.BOOK, id="new", start=100, version=1, returned=late + 9)
    log.append(Logged(EPOCH, len(log) + 1, "new", 100, 1, is_live=True))
    _append(history, seen=_agenda(log), called=late + 1, returned=late + 2)
    _append(history, seen=before, called=late + 3, returned=late + 4)
    return True


def gap_in_the_log(history: list[Operation], log: list[Logged]) -> bool:
    """An offset is missing."""
    log[-1] = log[-1]._replace(offset=log[-1].offset + 1)
    return True


def event_twice(history: list[Operation], log: list[Logged]) -> bool:
    """An event is in the log a second time."""
    log.append(log[-1]._replace(offset=len(log) + 1))
    return True


def another_epoch(history: list[Operation], log: list[Logged]) -> bool:
    """The epoch changes although no backup was restored."""
    log[-1] = log[-1]._replace(epoch="e2")
    return True


def event_nobody_asked_for(history: list[Operation], log: list[Logged]) -> bool:
    """The log has a booking that no client made."""
    log.append(Logged(EPOCH, len(log) + 1, "ghost", 100, 1, is_live=True))
    return True


def _agenda(log: list[Logged]) -> frozenset[Visit]:
    return frozenset(Visit(e.id, e.start, e.version) for e in _final(log).values())


IN_OPERATIONS: Sequence[Spoil] = (
    double_booking,
    overlap_by_one_step,
    lost_booking,
    lost_cancellation,
    lost_move,
    booked_twice,
    stale_read,
    read_of_the_future,
    half_a_move,
    visit_missing_in_a_read,
    old_version_in_a_read,
    refused_without_reason,
    gone_although_live,
    risen_from_the_dead,
    against_the_clock,
    reads_that_go_back,
)
"""Both checkers must find them."""
IN_THE_LOG: Sequence[Spoil] = (
    gap_in_the_log,
    event_twice,
    another_epoch,
    event_nobody_asked_for,
)
"""The replay must find them; the operations alone are right."""
