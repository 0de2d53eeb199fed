"""How long listing 60 days of slots takes, against the naive way.

Run by hand: ``python -m tests.benchmarks.bench_slots``.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter

from actors.domain.schedule import Schedule
from actors.domain.slots import Taken, free_starts, why_not
from tests.unit.naive_slots import NaiveSlots
from tests.unit.slot_cases import LONG_AGO, daily, kind, minute

DAYS, ROWS, DAY = 60, 500, 24 * 60


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        began = perf_counter()
        run()
        took.append((perf_counter() - began) * 1000)
    return median(took)


def measure(name: str, *windows: str) -> None:
    schedule = Schedule(time_zone="America/New_York", rules=daily(*windows))
    wanted = kind(30, before=5, after=10)
    first = minute("2026-02-15", schedule.time_zone)  # the clocks change on the way
    before = first + DAYS * DAY
    gap = DAYS * DAY // ROWS
    taken = [Taken(at, at + 30, 5, 10) for at in range(first, before, gap)][:ROWS]

    def listing() -> list[int]:
        return free_starts(schedule, wanted, taken, first=first, before=before, now=LONG_AGO)

    def cold() -> list[int]:
        new = replace(schedule)
        return free_starts(new, wanted, taken, first=first, before=before, now=LONG_AGO)

    def naive() -> list[int]:
        return NaiveSlots(schedule, wanted, taken, first=first, before=before, now=LONG_AGO).free

    free = listing()
    assert free == naive(), "a fast wrong answer is no answer"
    warm_ms, cold_ms, naive_ms = (
        milliseconds(listing, 200),
        milliseconds(cold, 50),
        milliseconds(naive, 3),
    )
    one_us = milliseconds(lambda: why_not(schedule, wanted, taken, free[-1], LONG_AGO), 1000) * 1000
    print(
        f"{name}: {DAYS} days, {len(taken)} rows, {len(free)} free: "
        f"{warm_ms:.2f} ms ({cold_ms:.2f} ms for a new schedule), "
        f"naive {naive_ms:.0f} ms, ratio {naive_ms / warm_ms:.0f}; "
        f"one start checked in {one_us:.0f} µs"
    )


if __name__ == "__main__":
    measure("office hours", "08:00-12:00", "13:00-18:00")
    measure("day and night", "00:00-24:00")
