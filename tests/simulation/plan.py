"""What happens in a run: commands and faults, drawn from the seed before it begins.

Each entry has its own random numbers. So an entry can be left out without changing the others,
which is how a failing run is shrunk to a short story.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Final

BUSY_S: Final = 12.0
"""Commands and faults begin within this time; then everything heals."""


@dataclass(frozen=True)
class Op:
    """A command of a client. ``picks`` choose among what there is when it begins."""

    number: int
    at_s: float
    kind: str
    picks: tuple[float, ...]

    @property
    def key(self) -> str:
        return f"op-{self.number}"

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s  {self.key} {self.kind}"


@dataclass(frozen=True)
class Fault:
    number: int
    at_s: float
    kind: str
    place: str
    for_s: float
    picks: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s  {self.kind} at {self.place} for {self.for_s:.1f} s"


@dataclass(frozen=True)
class Plan:
    seed: str
    nodes: int
    ops: tuple[Op, ...]
    faults: tuple[Fault, ...]

    def without(self, gone: frozenset[int]) -> "Plan":
        """The same run without the entries of these numbers."""
        return replace(
            self,
            ops=tuple(op for op in self.ops if op.number not in gone),
            faults=tuple(fault for fault in self.faults if fault.number not in gone),
        )

    @property
    def numbers(self) -> list[int]:
        return [*(op.number for op in self.ops), *(fault.number for fault in self.faults)]


_OPS: Final = {
    "hold": 16,
    "confirm": 14,
    "book": 14,
    "desk_book": 8,
    "release": 3,
    "cancel": 8,
    "reschedule": 9,
    "move": 9,
    "desk_move": 5,
    "schedule": 4,
    "type": 2,
    "look": 6,
    "merge": 1,
    "deactivate": 2,
    "activate": 2,
    "end_consent": 1,
    "disconnect": 1,
}
_FAULTS: Final = {
    "kill": 4,
    "kill_at_commit": 5,
    "stop": 2,
    "pause": 4,
    "cut_database": 3,
    "cut_from_database": 2,
    "cut_redis": 2,
    "cut_node": 3,
    "cut_clients": 2,
    "late_commits": 3,
    "full_disk": 2,
    "slow": 2,
    "set_clock": 2,
    "unwritable": 2,
    "lose_entries": 2,
    "forget_redis": 1,
    "lying_lock": 2,
}
_ALONE: Final = frozenset(
    {"cut_redis", "cut_node", "lose_entries", "forget_redis", "lying_lock", "stop"}
)
"""Faults that need several nodes."""


def drawn(seed: str) -> Plan:
    random = Random(f"{seed}/plan")
    nodes = random.choice((1, 2, 3, 3))
    ops = sorted(random.uniform(0.5, BUSY_S) for _ in range(random.randint(25, 60)))
    faults = sorted(random.uniform(0.5, BUSY_S) for _ in range(random.choice((0, 1, 2, 4, 6, 9))))
    kinds = [kind for kind in _FAULTS if nodes > 1 or kind not in _ALONE]
    return Plan(
        seed=seed,
        nodes=nodes,
        ops=tuple(
            Op(number, at_s, _pick(random, list(_OPS), _OPS), _picks(random))
            for number, at_s in enumerate(ops)
        ),
        faults=tuple(
            Fault(
                1_000 + number,
                at_s,
                _pick(random, kinds, _FAULTS),
                f"n{random.randrange(nodes)}",
                random.choice((0.2, 0.7, 1.5, 4.0, 6.0)),
                _picks(random),
            )
            for number, at_s in enumerate(faults)
        ),
    )


def _pick(random: Random, kinds: list[str], weights: dict[str, int]) -> str:
    return random.choices(kinds, [weights[kind] for kind in kinds])[0]


def _picks(random: Random) -> tuple[float, ...]:
    return tuple(random.random() for _ in range(6))
