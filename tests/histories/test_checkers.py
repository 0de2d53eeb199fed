"""The two checkers accept what is right and find what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import pytest

from tests.histories.linearizable import stuck_at
from tests.histories.operation import Operation, Visit, applied
from tests.histories.planted import IN_OPERATIONS, IN_THE_LOG, Spoil, correct
from tests.histories.replay import problems


def is_linearizable(history: Sequence[Operation]) -> bool:
    return stuck_at(history, frozenset[Visit](), applied) is None


@pytest.mark.parametrize("seed", range(40))
def test_correct_histories_pass_both(seed: int) -> None:
    recorded = correct(seed)
    assert problems(recorded.history, recorded.log) == []
    assert is_linearizable(recorded.history)


@pytest.mark.parametrize("spoil", IN_OPERATIONS, ids=lambda each: each.__name__)
def test_both_find_what_is_wrong_with_operations(spoil: Spoil) -> None:
    planted = 0
    for seed in range(12):
        recorded = correct(seed)
        history, log = [*recorded.history], [*recorded.log]
        if spoil(history, log):
            planted += 1
            assert problems(history, log), seed
            assert not is_linearizable(history), seed
    assert planted >= 5


@pytest.mark.parametrize("spoil", IN_THE_LOG, ids=lambda each: each.__name__)
def test_the_replay_finds_what_is_wrong_with_the_log(spoil: Spoil) -> None:
    for seed in range(12):
        recorded = correct(seed)
        history, log = [*recorded.history], [*recorded.log]
        assert spoil(history, log)
        assert problems(history, log), seed


@dataclass(frozen=True)
class Queued:
    """An operation on a queue: Herlihy and Wing (1990), figure 1."""

    called: float
    returned: float
    what: str
    item: str


def on_a_queue(items: str, operation: Queued) -> str | None:
    if operation.what == "enq":
        return items + operation.item
    return items[1:] if items.startswith(operation.item) else None


@dataclass(frozen=True)
class OnRegister:
    called: float
    returned: float
    written: int | None
    read: int | None


def on_a_register(value: int, operation: OnRegister) -> int | None:
    if operation.written is not None:
        return operation.written
    return value if value == operation.read else None


QUEUES: Mapping[str, tuple[bool, Sequence[tuple[float, float, str, str]]]] = {
    "H1: both enqueue at once, and dequeue in the other order": (
        True,
        [(0, 3, "enq", "x"), (1, 4, "enq", "y"), (5, 7, "deq", "y"), (6, 8, "deq", "x")],
    ),
    "H2: x was enqueued before y, and y comes first": (
        False,
        [(0, 1, "enq", "x"), (2, 4, "enq", "y"), (3, 5, "deq", "y")],
    ),
    "H3: dequeued while it is enqueued": (
        True,
        [(0, 4, "enq", "x"), (1, 3, "deq", "x")],
    ),
    "H4: dequeued twice": (
        False,
        [(0, 3, "enq", "x"), (1, 6, "enq", "y"), (4, 8, "deq", "y"), (7, 9, "deq", "y")],
    ),
}


@pytest.mark.parametrize("name", QUEUES)
def test_the_queues_of_herlihy_and_wing(name: str) -> None:
    expected, history = QUEUES[name]
    queued = [Queued(*each) for each in history]
    assert (stuck_at(queued, "", on_a_queue) is None) is expected


REGISTERS: Mapping[str, tuple[bool, Sequence[tuple[float, float, int | None, int | None]]]] = {
    "a read during a write may be old, and a later one new": (
        True,
        [(0, 100, 100, None), (25, 75, None, 0), (30, 60, None, 0), (80, 90, None, 100)],
    ),
    "after a read was new, none may be old": (
        False,
        [(0, 100, 200, None), (10, 30, None, 200), (40, 90, None, 0)],
    ),
    "a write without an answer may happen late": (
        True,
        [(0, inf, 1, None), (1, 2, None, 0), (3, 4, None, 1)],
    ),
    "or never": (True, [(0, inf, 1, None), (1, 2, None, 0), (3, 4, None, 0)]),
    "but not and then never have happened": (
        False,
        [(0, inf, 1, None), (1, 2, None, 1), (3, 4, None, 0)],
    ),
}


@pytest.mark.parametrize("name", REGISTERS)
def test_registers(name: str) -> None:
    expected, history = REGISTERS[name]
    operations = [OnRegister(*each) for each in history]
    assert (stuck_at(operations, 0, on_a_register) is None) is expected
