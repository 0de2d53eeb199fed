"""Seeds of the simulation: none violates an invariant, and each is always the same run."""

import os
import subprocess
import sys

import pytest

from tests.simulation.world import simulate
from tests.support.commandline import ROOT

SEEDS = 28
LONG_SEEDS = 400
PARTS = 4
"""The seeds are divided among tests, which run at the same time."""


@pytest.mark.parametrize("part", range(PARTS))
def test_seeds_violate_no_invariant(part: int) -> None:
    _run(range(part, SEEDS, PARTS))


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_many_seeds_violate_no_invariant(part: int) -> None:
    _run(range(SEEDS + part, LONG_SEEDS, PARTS))


def _run(seeds: range) -> None:
    found = {seed: simulate(str(seed)).violation for seed in seeds}
    assert not any(found.values()), {seed: each for seed, each in found.items() if each}


def test_a_seed_is_the_same_run_in_every_process() -> None:
    """Whatever the order of sets and dictionaries of texts, and of the runs before it."""
    program = (
        "from tests.simulation.world import simulate\n"
        "print(*(simulate(seed).hash for seed in '{}'.split()))"
    )
    runs = [
        _hashes(program.format(seeds), hash_seed)
        for seeds, hash_seed in (("3 14 15", "1"), ("9 3 14 15", "2"))
    ]
    assert len(set(runs[0])) == 3
    assert runs[0] == runs[1][1:]


def _hashes(program: str, hash_seed: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()[-1].split()
