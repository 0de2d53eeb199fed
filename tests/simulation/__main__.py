"""Runs seeds until one violates an invariant; see the package."""

import argparse
import sys
import time

from tests.simulation.ablations import table
from tests.simulation.clinic import clinic
from tests.simulation.story import as_text, shrunk
from tests.simulation.world import simulate

_PROGRESS_S = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", help="replay this one, and print what happens")
    parser.add_argument("--ablations", action="store_true", help="print the table of ablations")
    given = parser.parse_args()
    clinic()
    if given.ablations:
        return table(given.seeds)
    if given.seed is not None:
        return _replay(given.seed)
    return _search(given.first, given.seeds)


def _replay(seed: str) -> int:
    result = simulate(seed, keep_trace=True)
    print(*result.trace, sep="\n")
    print(f"{result.steps} steps, {result.hash}, {result.violation or 'every invariant holds'}")
    return result.violation is not None


def _search(first: int, seeds: int) -> int:
    began_s = shown_s = time.monotonic()
    for number in range(first, first + seeds):
        result = simulate(str(number))
        if result.violation is not None:
            print(f"seed {number}: {result.violation}\nwhat is enough for it:")
            print(as_text(shrunk(result)))
            return 1
        now_s = time.monotonic()
        if now_s - shown_s > _PROGRESS_S:
            shown_s, done = now_s, number - first + 1
            print(f"{done} of {seeds} seeds, {done / (now_s - began_s):.1f} a second", flush=True)
    took_s = time.monotonic() - began_s
    print(f"{seeds} seeds without a violation, {seeds / took_s:.1f} a second, {took_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
