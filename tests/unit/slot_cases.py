"""Short constructors for the slot tests: schedules, types and instants from text."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from actors.domain.appointment import AppointmentType
from actors.domain.ids import AppointmentTypeId
from actors.domain.schedule import Override, Schedule, TimeOff, Weekday, WeeklyRule, Window
from actors.domain.slots import Taken, free_starts, to_instant, to_minute

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def window(text: str) -> Window:
    """``"09:00-17:00"``; an end may be ``24:00``."""
    start, end = map(wall, text.split("-"))
    return Window(start, end)


def on(weekday: Weekday, *windows: str) -> tuple[WeeklyRule, ...]:
    return tuple(WeeklyRule(weekday=weekday, window=window(text)) for text in windows)


def daily(*windows: str) -> tuple[WeeklyRule, ...]:
    return tuple(rule for weekday in Weekday for rule in on(weekday, *windows))


def override(day: str, *windows: str) -> Override:
    return Override(date=date.fromisoformat(day), windows=tuple(window(w) for w in windows))


def time_off(first: str, start: str, last: str, end: str) -> TimeOff:
    return TimeOff(
        start_date=date.fromisoformat(first),
        start=wall(start),
        end_date=date.fromisoformat(last),
        end=wall(end),
    )


def wall(text: str) -> int:
    """``"09:30"`` in minutes after midnight."""
    return int(text[:2]) * 60 + int(text[3:])


def kind(duration: int, *, before: int = 0, after: int = 0) -> AppointmentType:
    return AppointmentType(
        id=AppointmentTypeId("cleaning"),
        name="Cleaning",
        duration_minutes=duration,
        buffer_before_minutes=before,
        buffer_after_minutes=after,
    )


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> datetime:
    """An instant in UTC, from wall time in a zone."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return local.astimezone(UTC)


def minute(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    return to_minute(at(text, zone, fold=fold))


def row(start: str, duration: int, zone: str = "UTC", *, before: int = 0, after: int = 0) -> Taken:
    begins = minute(start, zone)
    return Taken(begins, begins + duration, before, after)


def local_starts(
    schedule: Schedule,
    duration: AppointmentType | int,
    day: str,
    *,
    until: str | None = None,
    taken: Sequence[Taken] = (),
    now: datetime = LONG_AGO,
) -> list[str]:
    """The free starts from a local date's midnight to the next (or ``until``), as ``HH:MM``."""
    first = minute(day, schedule.time_zone)
    last = until or date.fromordinal(date.fromisoformat(day).toordinal() + 1).isoformat()
    before = minute(last, schedule.time_zone)
    wanted = kind(duration) if isinstance(duration, int) else duration
    starts = free_starts(schedule, wanted, taken, first=first, before=before, now=now)
    return [f"{to_instant(start).astimezone(schedule.zone):%H:%M}" for start in starts]
