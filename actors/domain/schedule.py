"""A dentist's availability schedule: weekly rules, date overrides, zone and policy.

Rules are local wall time in the dentist's IANA zone (RFC 7953 in spirit); turning them
into instants is :mod:`actors.domain.slots`' job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from zoneinfo import ZoneInfo

MINUTES_PER_DAY = 24 * 60
MAX_HORIZON_DAYS = 1_095
MAX_MIN_NOTICE_MINUTES = MAX_HORIZON_DAYS * MINUTES_PER_DAY
"""A longer notice than the longest horizon could never be met."""
SPANS_KEPT_DAYS_MAX = 400


class Weekday(StrEnum):
    """ISO order: the n-th member is the date whose ``weekday()`` is n."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"

    @classmethod
    def of(cls, day: date) -> "Weekday":
        return _WEEKDAYS[day.weekday()]


_WEEKDAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Local wall time ``[start, end)`` in minutes after midnight; 1440 is ``24:00``."""

    start: int
    end: int

    def __post_init__(self) -> None:
        assert 0 <= self.start < self.end <= MINUTES_PER_DAY, "a window lies in one local day"


@dataclass(frozen=True, kw_only=True, slots=True)
class WeeklyRule:
    weekday: Weekday
    window: Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """Replaces the rules of one local date; no windows closes it."""

    date: date
    windows: tuple[Window, ...]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The whole of it; PUT replaces it whole and raises ``version``."""

    time_zone: str
    slot_step_minutes: int = 15
    min_notice_minutes: int = 0
    horizon_days: int = 365
    rules: tuple[WeeklyRule, ...] = ()
    overrides: tuple[Override, ...] = ()
    version: int = 1

    zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _weekly: Mapping[Weekday, tuple[Window, ...]] = field(init=False, repr=False, compare=False)
    _dated: Mapping[date, tuple[Window, ...]] = field(init=False, repr=False, compare=False)
    spans_known: dict[date, Sequence[tuple[int, int]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """What :mod:`actors.domain.slots` worked out for a local date, kept while the schedule
    lives: at most ``SPANS_KEPT_DAYS_MAX`` dates."""

    def __post_init__(self) -> None:
        assert 1 <= self.slot_step_minutes <= MINUTES_PER_DAY
        assert 0 <= self.min_notice_minutes <= MAX_MIN_NOTICE_MINUTES
        assert 1 <= self.horizon_days <= MAX_HORIZON_DAYS
        weekly: dict[Weekday, list[Window]] = {}
        for rule in self.rules:
            weekly.setdefault(rule.weekday, []).append(rule.window)
        dated: dict[date, list[Window]] = {}
        for override in self.overrides:
            dated.setdefault(override.date, []).extend(override.windows)
        set_ = object.__setattr__  # frozen: derived look-ups are computed once, here
        set_(self, "zone", ZoneInfo(self.time_zone))
        set_(self, "_weekly", {day: tuple(windows) for day, windows in weekly.items()})
        set_(self, "_dated", {day: tuple(windows) for day, windows in dated.items()})

    def windows_on(self, day: date) -> tuple[Window, ...]:
        """The windows of a local date, as written: overlaps are merged in UTC later."""
        if day in self._dated:
            return self._dated[day]
        return self._weekly.get(Weekday.of(day), ())
