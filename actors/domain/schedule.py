"""A dentist's availability schedule: weekly rules, date overrides, zone and policy.

Rules are local wall time in the dentist's IANA zone (RFC 7953 in spirit); turning them
into instants is :mod:`actors.domain.slots`' job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from zoneinfo import ZoneInfo

from actors.domain.ids import AppointmentTypeId

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


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeOff:
    """Away from ``start`` on the first date until ``end`` on the last, without a break.

    Whole days by default. It closes time without moving the grid: the slots around it
    stay where they are.
    """

    start_date: date
    end_date: date
    start: int = 0
    """Local wall time in minutes after midnight."""
    end: int = MINUTES_PER_DAY

    def __post_init__(self) -> None:
        assert 0 <= self.start < MINUTES_PER_DAY
        assert 0 < self.end <= MINUTES_PER_DAY
        assert (self.start_date, self.start) < (self.end_date, self.end), "it has a length"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservedBlock:
    """Kept free for emergencies: patients may book into it only shortly before."""

    weekday: Weekday
    window: Window
    opens_minutes_before: int
    """How long before its start the block is offered like any other time."""

    def __post_init__(self) -> None:
        assert self.opens_minutes_before >= 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DailyLimit:
    """At most so many appointments of a type on one of the dentist's local dates."""

    appointment_type_id: AppointmentTypeId
    per_day: int

    def __post_init__(self) -> None:
        assert self.per_day >= 0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The whole of it; PUT replaces it whole and raises ``version``."""

    time_zone: str
    slot_step_minutes: int = 15
    min_notice_minutes: int = 0
    cancel_notice_minutes: int = 0
    """Until how long before the start a patient may cancel or reschedule."""
    horizon_days: int = 365
    rules: tuple[WeeklyRule, ...] = ()
    overrides: tuple[Override, ...] = ()
    time_off: tuple[TimeOff, ...] = ()
    reserved_blocks: tuple[ReservedBlock, ...] = ()
    daily_limits: tuple[DailyLimit, ...] = ()
    appointment_type_ids: tuple[AppointmentTypeId, ...] | None = None
    """The types patients may book here; ``None``: all of the clinic's."""
    version: int = 1

    zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _weekly: Mapping[Weekday, tuple[Window, ...]] = field(init=False, repr=False, compare=False)
    _dated: Mapping[date, tuple[Window, ...]] = field(init=False, repr=False, compare=False)
    spans_known: dict[date, Sequence[tuple[int, int]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """What :mod:`actors.domain.slots` worked out for a local date, kept while the schedule
    lives: at most ``SPANS_KEPT_DAYS_MAX`` dates."""
    time_off_known: list[tuple[int, int]] = field(
        init=False, repr=False, compare=False, default_factory=list
    )
    """The same for all time off, once it was asked for."""

    def __post_init__(self) -> None:
        assert 1 <= self.slot_step_minutes <= MINUTES_PER_DAY
        assert 0 <= self.min_notice_minutes <= MAX_MIN_NOTICE_MINUTES
        assert 0 <= self.cancel_notice_minutes <= MAX_MIN_NOTICE_MINUTES
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

    def offers(self, type_id: AppointmentTypeId) -> bool:
        return self.appointment_type_ids is None or type_id in self.appointment_type_ids

    def daily_limit(self, type_id: AppointmentTypeId) -> int | None:
        """How many of the type fit into one local date; the smallest, if stated twice."""
        limits = [
            limit.per_day for limit in self.daily_limits if limit.appointment_type_id == type_id
        ]
        return min(limits, default=None)
