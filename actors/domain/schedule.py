"""A dentist's availability schedule: weekly rules, exceptions, time zone and booking policy.

Times are local wall time in the dentist's IANA zone, similar to RFC 7953.
:mod:`actors.domain.slots` converts them to instants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import ClassVar
from zoneinfo import ZoneInfo

from actors.domain.ids import AppointmentTypeId
from actors.domain.values import value

MINUTES_PER_DAY = 24 * 60
MAX_HORIZON_DAYS = 1_095
MAX_MIN_NOTICE_MINUTES = MAX_HORIZON_DAYS * MINUTES_PER_DAY
"""A longer notice than the longest horizon could never be met."""
CACHED_DAYS_MAX = 400
"""Local dates whose open spans are cached, for each schedule."""


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


@value
class WeeklyRule:
    weekday: Weekday
    window: Window


@value
class Override:
    """Replaces the rules on one local date; without windows, the date is closed."""

    date: date
    windows: tuple[Window, ...]


@value
class TimeOff:
    """Time off from ``start`` on the first date until ``end`` on the last; by default whole days.

    It does not move the grid: the other slots of these dates stay where they are.
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


@value
class Closure:
    """Days on which a practice is closed, both included: local dates of each calendar.

    It closes calendars as :class:`TimeOff` of whole days does.
    """

    start_date: date
    end_date: date
    reason: str | None = None
    start: ClassVar[int] = 0
    end: ClassVar[int] = MINUTES_PER_DAY

    def __post_init__(self) -> None:
        assert self.start_date <= self.end_date, "a closure has at least one day"


@value
class ReservedBlock:
    """A window kept free for emergencies, which patients can book only shortly before."""

    weekday: Weekday
    window: Window
    opens_minutes_before: int
    """How long before its start the block is opened for booking."""

    def __post_init__(self) -> None:
        assert self.opens_minutes_before >= 0


@value
class DailyLimit:
    """At most so many appointments of a type on one of the dentist's local dates."""

    appointment_type_id: AppointmentTypeId
    per_day: int

    def __post_init__(self) -> None:
        assert self.per_day >= 0


@value
class StaffTerms:
    """What of a schedule does not bind the staff who look for free times."""

    ignore_notice: bool = False
    ignore_horizon: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The whole schedule. It is replaced as a whole, and ``version`` counts the changes."""

    time_zone: str
    slot_step_minutes: int = 15
    min_notice_minutes: int = 0
    cancel_notice_minutes: int = 0
    """How long before the start a patient may no longer cancel or reschedule."""
    horizon_days: int = 365
    rules: tuple[WeeklyRule, ...] = ()
    overrides: tuple[Override, ...] = ()
    time_off: tuple[TimeOff, ...] = ()
    reserved_blocks: tuple[ReservedBlock, ...] = ()
    daily_limits: tuple[DailyLimit, ...] = ()
    appointment_type_ids: tuple[AppointmentTypeId, ...] | None = None
    """The types that patients may book here; ``None``: all types of the clinic."""
    closures: tuple[Closure, ...] = field(default=(), repr=False)
    """Of the practice, which keeps them: they are no part of what the dentist replaces."""
    version: int = 1

    zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _weekly: Mapping[Weekday, tuple[Window, ...]] = field(init=False, repr=False, compare=False)
    _dated: Mapping[date, tuple[Window, ...]] = field(init=False, repr=False, compare=False)
    cached_spans: dict[date, Sequence[tuple[int, int]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """Open spans by local date, a cache of :mod:`actors.domain.slots`."""
    cached_grids: dict[tuple[int, int], Sequence[range]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """Starts by day of UTC and length of the appointment, a cache of :mod:`actors.domain.slots`."""
    cached_time_off: list[tuple[int, int]] = field(
        init=False, repr=False, compare=False, default_factory=list
    )
    """All time off and closures as instants, a cache of :mod:`actors.domain.slots`."""
    cached_for_staff: dict[StaffTerms, "Schedule"] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    """See :meth:`for_staff`."""

    def __post_init__(self) -> None:
        assert 1 <= self.slot_step_minutes <= MINUTES_PER_DAY
        assert 0 <= self.min_notice_minutes <= MAX_MIN_NOTICE_MINUTES
        assert 0 <= self.cancel_notice_minutes <= MAX_MIN_NOTICE_MINUTES
        assert 1 <= self.horizon_days <= MAX_HORIZON_DAYS
        weekly: dict[Weekday, tuple[Window, ...]] = {}
        for rule in self.rules:
            weekly[rule.weekday] = (*weekly.get(rule.weekday, ()), rule.window)
        dated: dict[date, tuple[Window, ...]] = {}
        for each in self.overrides:
            dated[each.date] = dated.get(each.date, ()) + each.windows
        set_ = object.__setattr__  # the class is frozen: derived values are set once, here
        set_(self, "zone", ZoneInfo(self.time_zone))
        set_(self, "_weekly", weekly)
        set_(self, "_dated", dated)

    @property
    def closed_times(self) -> tuple[TimeOff | Closure, ...]:
        """The dentist's time off, and the closures of the practice."""
        return (*self.time_off, *self.closures)

    def for_staff(self, terms: StaffTerms) -> "Schedule":
        """The schedule with which free times are listed for staff.

        It offers every type and keeps nothing back for emergencies; hours, grid, time off and
        daily limits are as for patients. Cached, because it changes only with the schedule.
        """
        found = self.cached_for_staff.get(terms)
        if found is None:
            found = replace(
                self,
                appointment_type_ids=None,
                reserved_blocks=(),
                min_notice_minutes=0 if terms.ignore_notice else self.min_notice_minutes,
                horizon_days=MAX_HORIZON_DAYS if terms.ignore_horizon else self.horizon_days,
            )
            self.cached_for_staff[terms] = found
        return found

    def windows_on(self, day: date) -> tuple[Window, ...]:
        """The windows of a local date as entered; they may overlap."""
        if day in self._dated:
            return self._dated[day]
        return self._weekly.get(Weekday.of(day), ())

    def offers(self, type_id: AppointmentTypeId) -> bool:
        return self.appointment_type_ids is None or type_id in self.appointment_type_ids

    def daily_limit(self, type_id: AppointmentTypeId) -> int | None:
        """The daily limit of the type, the smallest of several; ``None``: no limit."""
        limits = [
            limit.per_day for limit in self.daily_limits if limit.appointment_type_id == type_id
        ]
        return min(limits, default=None)
