"""A failing run in few words: entries are left out as long as the run still fails."""

from contextlib import nullcontext
from typing import Final

from tests.simulation.plan import Fault, Op, Plan
from tests.simulation.world import Patches, Result, simulate

_RUNS_MAX: Final = 120


def shrunk(failed: Result, *, patches: Patches = nullcontext) -> Result:
    """A run that violates the same invariant with fewer commands and faults."""
    assert failed.violation is not None
    invariant, best, runs = failed.violation.invariant, failed, 0
    size = max(1, len(failed.plan.numbers) // 2)
    while size and runs < _RUNS_MAX:
        numbers, at, smaller = best.plan.numbers, 0, False
        while at < len(numbers) and runs < _RUNS_MAX:
            shorter = best.plan.without(frozenset(numbers[at : at + size]))
            runs += 1
            result = simulate(shorter, patches=patches)
            if result.violation is not None and result.violation.invariant == invariant:
                best, smaller = result, True
                numbers = best.plan.numbers
            else:
                at += size
        if not smaller or size > len(numbers):
            size //= 2
    return best


def as_text(result: Result) -> str:
    """The entries of a plan in the order of their time, and what they lead to."""
    plan: Plan = result.plan
    entries: list[Op | Fault] = [*plan.ops, *plan.faults]
    entries.sort(key=lambda entry: entry.at_s)
    lines = [f"seed {plan.seed}, {plan.nodes} nodes", *map(str, entries)]
    return "\n".join([*lines, f"violates: {result.violation}"])
