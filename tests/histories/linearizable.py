"""Whether operations could have happened one after the other, each between its call and its return.

The search of Wing and Gong (1993) with the memory of Lowe (2017), as Porcupine has it: the first
call in the list whose outcome fits is done and taken out of the list; at a return whose call is
still in the list, the search goes back. Two orders that have done the same operations and reached
the same state are one. It knows nothing of calendars: see ``step``.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeVar


class Interval(Protocol):
    @property
    def called(self) -> float: ...
    @property
    def returned(self) -> float: ...


State = TypeVar("State", bound=Hashable)
Done = TypeVar("Done", bound=Interval)

STEPS_MAX = 3_000_000


class TooHard(Exception):
    """The search took more than ``STEPS_MAX`` steps."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A call or a return in the order of time; a doubly linked list, with a head."""

    number: int
    returns: "_Entry | None" = None
    """Of a call that returned."""
    is_return: bool = False
    before: "_Entry | None" = None
    after: "_Entry | None" = None

    def lift(self) -> None:
        for entry in (self, self.returns):
            if entry is not None:
                assert entry.before is not None
                entry.before.after = entry.after
                if entry.after is not None:
                    entry.after.before = entry.before

    def put_back(self) -> None:
        for entry in (self.returns, self):
            if entry is not None:
                assert entry.before is not None
                entry.before.after = entry
                if entry.after is not None:
                    entry.after.before = entry


def stuck_at(
    history: Sequence[Done], initial: State, step: Callable[[State, Done], State | None]
) -> Done | None:
    """None if there is an order; else the operation which the longest order does not reach.

    ``step`` returns the state after an operation had its outcome, None if it cannot have it.
    Operations that never returned may happen at any time after their call, or not at all.
    Raises TooHard.
    """
    head = _in_order(history)
    open_returns = sum(each.returned < inf for each in history)
    state, done, steps = initial, 0, 0
    reached: set[tuple[int, State]] = set()
    path: list[tuple[_Entry, State]] = []
    longest, failed = -1, None
    entry = head.after
    while open_returns:
        steps += 1
        if steps > STEPS_MAX:
            raise TooHard
        if entry is not None and not entry.is_return:
            then = step(state, history[entry.number])
            place = (done | 1 << entry.number, then)
            if then is None or place in reached:
                entry = entry.after
                continue
            reached.add((place[0], then))
            path.append((entry, state))
            state, done = then, place[0]
            open_returns -= entry.returns is not None
            entry.lift()
            entry = head.after
            continue
        assert entry is not None, "a return is behind its call"
        if len(path) > longest:
            longest, failed = len(path), history[entry.number]
        if not path:
            return failed
        call, state = path.pop()
        done ^= 1 << call.number
        open_returns += call.returns is not None
        call.put_back()
        entry = call.after
    return None


def _in_order(history: Sequence[Interval]) -> _Entry:
    """The head of the list; at the same instant, calls come before returns."""
    times: list[tuple[float, bool, int, _Entry]] = []
    for number, each in enumerate(history):
        call = _Entry(number)
        times.append((each.called, False, number, call))
        if each.returned < inf:
            call.returns = _Entry(number, is_return=True)
            times.append((each.returned, True, number, call.returns))
    last = head = _Entry(-1)
    for *_, entry in sorted(times, key=lambda each: each[:3]):
        last.after, entry.before = entry, last
        last = entry
    return head
