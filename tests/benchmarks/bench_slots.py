"""How long listing 60 days of slots takes, against the naive way.

Run by hand: ``python -m tests.benchmarks.bench_slots``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median
from time import perf_counter

from actors.calendar.snapshot import Snapshot
from actors.domain.ids import AppointmentId
from actors.domain.position import Position
from actors.domain.schedule import Schedule
from actors.domain.slots import Taken, free_starts, to_minute, why_not
from tests.unit.calendars import CHECKUP, NOW, SCHEDULE, at, calendar
from tests.unit.calendars import row as booked
from tests.unit.naive_slots import NaiveSlots
from tests.unit.slot_cases import LONG_AGO, daily, kind, minute

DAYS, ROWS, DAY = 60, 500, 24 * 60
HALF_HOUR = timedelta(minutes=30)
NOWHERE = Position(1, 0)


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
        return NaiveSlots(
            schedule,
            wanted,
            taken,
            first=first,
            before=before,
            now=LONG_AGO,
            full=lambda _: False,
        ).free

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


def measure_snapshot() -> None:
    """What a reader waits for: the first answer of a state, and the same one again."""
    rows = [
        replace(booked(at(9)), id=AppointmentId(str(n)), start=start, end=start + HALF_HOUR)
        for n in range(ROWS)
        for start in [at(9) + timedelta(days=n % DAYS, minutes=50 * (n // DAYS))]
    ]
    state = calendar(rows)
    first = to_minute(at(0))
    before = first + DAYS * DAY

    def list_starts(seen: Snapshot) -> Sequence[int]:
        return seen.free(CHECKUP, first=first, before=before, now=NOW, patient_id=None)

    def fresh() -> Sequence[int]:
        return list_starts(Snapshot(calendar=state, position=NOWHERE))

    known = Snapshot(calendar=state, position=NOWHERE)
    assert list(list_starts(known)) == list(fresh())
    first_ms, again_ms = milliseconds(fresh, 200), milliseconds(lambda: list_starts(known), 5_000)
    print(
        f"a snapshot with {ROWS} appointments: first answer {first_ms:.2f} ms, "
        f"again {again_ms * 1000:.1f} µs, ratio {first_ms / again_ms:.0f}"
    )


def measure_first_available() -> None:
    """The next start at any of 100 dentists, when there is none in 60 days: the worst case."""
    full = replace(SCHEDULE, horizon_days=90, rules=daily("09:00-17:00"))
    states = [calendar(schedule=full) for _ in range(100)]
    first = to_minute(at(0))

    def none_before_six() -> int:
        found = 0
        for state in states:
            one = Snapshot(calendar=state, position=NOWHERE)  # nothing answered yet
            for day in range(DAYS):
                begin = first + day * DAY
                starts = one.free(
                    CHECKUP, first=begin, before=begin + 6 * 60, now=NOW, patient_id=None
                )
                found += len(starts)
        return found

    assert none_before_six() == 0
    print(f"100 dentists x 60 days, nothing free: {milliseconds(none_before_six, 5):.0f} ms")


if __name__ == "__main__":
    measure("office hours", "08:00-12:00", "13:00-18:00")
    measure("day and night", "00:00-24:00")
    measure_snapshot()
    measure_first_available()
