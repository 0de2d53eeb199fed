"""One operation of one client on one calendar, and what a calendar does with it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

VISIT = 2
"""The length of every visit, in steps of the grid; starts are counted in steps, too."""


class Kind(Enum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    READ = "read"


class Outcome(Enum):
    DONE = "done"
    TAKEN = "taken"
    GONE = "gone"
    """The visit is not live. Its cancellation is done, and changes nothing."""
    UNKNOWN = "unknown"
    """No answer: it may have been done, at any time after the call, or never."""


class Visit(NamedTuple):
    id: str
    start: int
    version: int


Agenda = AbstractSet[Visit]
"""The live visits of a calendar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    number: int
    calendar: str
    kind: Kind
    called: float
    returned: float
    """Infinite if there was no answer."""
    outcome: Outcome
    id: str = ""
    """Of the visit; of a booking that was refused: empty."""
    start: int = 0
    version: int = 0
    """Of the visit after it, if that is known."""
    seen: frozenset[Visit] = frozenset()
    """What a read returned."""

    def __str__(self) -> str:
        what = f"{self.kind.value} {self.id or ''} at {self.start}"
        if self.kind is Kind.READ:
            what = f"read {sorted(self.seen)}"
        return (
            f"#{self.number} [{self.called:.6f}, {self.returned:.6f}] {what}: {self.outcome.value}"
        )


def applied(agenda: frozenset[Visit], to: Operation) -> frozenset[Visit] | None:
    """The agenda after an operation had its outcome; None if this agenda cannot give it."""
    if to.kind is Kind.READ:
        return agenda if agenda == to.seen else None
    visit = next((each for each in agenda if each.id == to.id), None)
    others = agenda - {visit} if visit else agenda
    possible, after = Outcome.DONE, agenda
    if to.kind is Kind.CANCEL:
        after = others
    elif (visit is None) is (to.kind is Kind.MOVE):
        possible = Outcome.GONE if visit is None else Outcome.TAKEN
    elif any(abs(each.start - to.start) < VISIT for each in others):
        possible = Outcome.TAKEN
    elif visit is None or visit.start != to.start:
        after = others | {Visit(to.id, to.start, visit.version + 1 if visit else 1)}
    if to.outcome is Outcome.UNKNOWN:
        return after if possible is Outcome.DONE else None
    if possible is not to.outcome:
        return None
    if possible is Outcome.DONE and to.version and Visit(to.id, to.start, to.version) not in after:
        return None
    return after if possible is Outcome.DONE else agenda
