"""A second implementation of the slot rules, minute by minute, to check the first one.

It is slow and simple. It does not compute with UTC offsets: it converts every UTC minute to local
time, and looks wall times up among the results.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from actors.domain.appointment import AppointmentType
from actors.domain.schedule import Schedule, TimeOff, Weekday, Window
from actors.domain.slots import Taken

DAY = 24 * 60
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=512)
def local_clock(zone: ZoneInfo, utc_day: int) -> dict[datetime, list[int]]:
    """The wall times of the n-th UTC day since the epoch, each with its minutes."""
    minutes_of: dict[datetime, list[int]] = {}
    for minute in range(utc_day * DAY, (utc_day + 1) * DAY):
        minutes_of.setdefault(wall_clock(zone, minute), []).append(minute)
    return minutes_of


def wall_clock(zone: ZoneInfo, minute: int) -> datetime:
    return (EPOCH + timedelta(minutes=minute)).astimezone(zone).replace(tzinfo=None)


def minutes_at(zone: ZoneInfo, wall: datetime) -> list[int]:
    """Every minute at which the clock shows ``wall``, or the first that shows a later time."""
    utc_day = (wall.replace(tzinfo=UTC) - EPOCH).days
    near = [local_clock(zone, day) for day in range(utc_day - 2, utc_day + 3)]
    if found := [minute for clock in near for minute in clock.get(wall, ())]:
        return found
    return [min(m for clock in near for shown in clock if shown > wall for m in clock[shown])]


def open_minutes(zone: ZoneInfo, day: date, windows: Sequence[Window]) -> set[int]:
    midnight = datetime(day.year, day.month, day.day)
    minutes: set[int] = set()
    for window in windows:
        starts = minutes_at(zone, midnight + timedelta(minutes=window.start))
        ends = minutes_at(zone, midnight + timedelta(minutes=window.end))
        minutes.update(range(starts[0], ends[-1]))
    return minutes


def minutes_off(zone: ZoneInfo, off: TimeOff) -> range:
    first = datetime.combine(off.start_date, time()) + timedelta(minutes=off.start)
    last = datetime.combine(off.end_date, time()) + timedelta(minutes=off.end)
    return range(minutes_at(zone, first)[0], minutes_at(zone, last)[-1])


def reserved_minutes(schedule: Schedule, days: Sequence[date], now: datetime) -> set[int]:
    """The minutes of the emergency blocks that patients may not book yet."""
    minutes: set[int] = set()
    for block in schedule.reserved_blocks:
        for day in days:
            if Weekday.of(day) is block.weekday:
                own = open_minutes(schedule.zone, day, [block.window])
                opens = timedelta(minutes=min(own, default=0) - block.opens_minutes_before)
                if now < EPOCH + opens:
                    minutes |= own
    return minutes


class NaiveSlots:
    """The starts in ``[first, before)``, as each rule sees them."""

    def __init__(
        self,
        schedule: Schedule,
        kind: AppointmentType,
        taken: Sequence[Taken],
        *,
        first: int,
        before: int,
        now: datetime,
        full: Callable[[date], bool],
    ) -> None:
        days = range(first // DAY - 2, before // DAY + 4)
        zone = schedule.zone
        open_minutes_of_days: set[int] = set()
        on_grid: set[int] = set()
        for day in days:
            local = (EPOCH + timedelta(days=day)).date()
            own = open_minutes(zone, local, schedule.windows_on(local))
            on_grid |= grid(own, schedule.slot_step_minutes)
            open_minutes_of_days |= own
        away = {minute for off in schedule.time_off for minute in minutes_off(zone, off)}
        reserved = reserved_minutes(
            schedule, [(EPOCH + timedelta(days=day)).date() for day in days], now
        )
        earliest = now + timedelta(minutes=schedule.min_notice_minutes)
        last_day = now.astimezone(zone).date() + timedelta(days=schedule.horizon_days)
        duration = kind.duration_minutes
        minutes = range(first, before)
        fitting = {
            m for m in minutes if all(n in open_minutes_of_days for n in range(m, m + duration))
        }
        self.open = {m for m in fitting if away.isdisjoint(range(m, m + duration))}
        bookable = {m for m in self.open if reserved.isdisjoint(range(m, m + duration))}
        self.offered = bookable & on_grid if schedule.offers(kind.id) else set()
        self.offered = {m for m in self.offered if not full(wall_clock(zone, m).date())}
        self.too_soon = {m for m in self.offered if EPOCH + timedelta(minutes=m) < earliest}
        self.too_far = {m for m in self.offered if wall_clock(zone, m).date() > last_day}
        self.blocked = {m for m in self.offered if any(blocks(row, m, kind) for row in taken)}

    @property
    def free(self) -> list[int]:
        return sorted(self.offered - self.too_soon - self.too_far - self.blocked)


def grid(minutes: set[int], step: int) -> set[int]:
    """Every ``step``-th minute of each run of consecutive minutes."""
    starts: set[int] = set()
    run_start = 0
    for minute in sorted(minutes):
        if minute - 1 not in minutes:
            run_start = minute
        if (minute - run_start) % step == 0:
            starts.add(minute)
    return starts


def blocks(row: Taken, start: int, kind: AppointmentType) -> bool:
    end = start + kind.duration_minutes
    clear_before = row.end + max(row.buffer_after, kind.buffer_before_minutes) <= start
    clear_after = end + max(kind.buffer_after_minutes, row.buffer_before) <= row.start
    return not (clear_before or clear_after)
