"""When a patient would like to come: wall dates and times, in no zone yet.

A :class:`When` is the meaning of words such as "next Tuesday after three"; :meth:`When.allows`
checks a local time, and :func:`span` gives the instants to search in a zone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

LONGEST_SPAN: Final = timedelta(days=62)
"""The hub lists slots of at most so many days at once."""
OPEN_SPAN_DAYS: Final = 28
"""How far to search if no date was given."""
DAYS_MAX: Final = 6
_EXCLUDED_MAX: Final = 40
CLOCKS_MAX: Final = 4
"""Exact times of day to choose from."""


E = TypeVar("E", bound="int | Days")


class TimeProblem(StrEnum):
    """Why no appointment can be at a time; of several, the first one here is reported."""

    UNREAL = "unreal"
    CONTRADICTION = "contradiction"
    PAST = "past"
    FAR = "far"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Days:
    """Wall dates from ``first`` to ``last``, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        assert self.first <= self.last, "days go forward"

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, kw_only=True, slots=True)
class When:
    """What a message gives about the time; other parts are empty."""

    days: tuple[Days, ...] = ()
    """Alternatives, ascending: "Monday or Tuesday"."""
    weekdays: tuple[int, ...] = ()
    """Only these (Monday is 0): "on a Friday"."""
    not_weekdays: tuple[int, ...] = ()
    not_days: tuple[Days, ...] = ()
    time_from: time | None = None
    """Starts at or after it."""
    time_to: time | None = None
    """Starts before it."""
    at: time | None = None
    """Starts exactly then."""
    one_of: tuple[time, ...] = ()
    """Starts exactly at one of these, several and ascending."""
    soonest: bool = False
    any_time: bool = False
    """"Any time" takes back the earlier time of day."""
    problem: TimeProblem | None = None
    about: str = ""
    """The words that are the problem."""

    @property
    def is_empty(self) -> bool:
        return self == When()

    @property
    def has_day(self) -> bool:
        return self.has_own_day or bool(self.not_weekdays or self.not_days)

    @property
    def has_own_day(self) -> bool:
        """Whether it says on which days, not only on which ones not."""
        return bool(self.days or self.weekdays or self.soonest)

    @property
    def has_time(self) -> bool:
        return bool(self.exact) or (self.time_from, self.time_to) != (None, None)

    @property
    def exact(self) -> tuple[time, ...]:
        """The exact starts to choose from, ascending."""
        return self.one_of or (() if self.at is None else (self.at,))

    def refined_by(self, newer: "When") -> "When":
        """This time after a newer message, whose parts replace those here.

        Excluded days stay excluded until one of them is named again; a first time of day and
        a last one from two messages belong together.
        """
        result = replace(self, problem=newer.problem, about=newer.about, any_time=False)
        if newer.has_own_day:
            result = replace(
                result, days=newer.days, weekdays=newer.weekdays, soonest=newer.soonest
            )
        if newer.has_day:
            result = replace(
                result,
                not_weekdays=_union(
                    filter(newer._may_exclude, self.not_weekdays), newer.not_weekdays
                ),
                not_days=_union(filter(newer._may_exclude, self.not_days), newer.not_days),
            )
        if not newer.has_own_day and result.days and not any(map(result._leaves, result.days)):
            result = replace(result, days=())  # "not on Tuesday", and only Tuesday was wanted
        if newer.any_time or newer.has_time:
            result = replace(
                result,
                time_from=newer.time_from,
                time_to=newer.time_to,
                at=newer.at,
                one_of=newer.one_of,
            )
            if not newer.any_time:
                result = result._completed_by(self)
        return result

    def _may_exclude(self, excluded: "int | Days") -> bool:
        """Whether no single day that is named here is among the excluded ones."""
        single = [days.first for days in self.days if days.first == days.last]
        if isinstance(excluded, int):
            return excluded not in (*self.weekdays, *(day.weekday() for day in single))
        return not any(day in excluded for day in single)

    def _leaves(self, days: Days) -> bool:
        """Whether some day of these is not excluded."""
        every = (days.first + timedelta(days=n) for n in range((days.last - days.first).days + 1))
        return any(
            day.weekday() not in self.not_weekdays
            and not any(day in excluded for excluded in self.not_days)
            for day in every
        )

    def _completed_by(self, older: "When") -> "When":
        """With the older first time of day if there is only a last one here, or the reverse."""
        if self.exact or older.exact:
            return self
        first, before = self.time_from or older.time_from, self.time_to or older.time_to
        if first is None or before is None or first >= before:
            return self
        return replace(self, time_from=first, time_to=before)

    def allows(self, local: datetime) -> bool:
        """Whether an appointment may start at this wall time."""
        day, clock = local.date(), local.time().replace(tzinfo=None, fold=0)
        return (
            (not self.days or any(day in days for days in self.days))
            and (not self.weekdays or day.weekday() in self.weekdays)
            and day.weekday() not in self.not_weekdays
            and not any(day in days for days in self.not_days)
            and (not self.one_of or clock in self.one_of)
            and (self.at is None or clock == self.at)
            and (self.time_from is None or clock >= self.time_from)
            and (self.time_to is None or clock < self.time_to)
        )

    def is_over(self, now: datetime) -> bool:
        """Whether all of it lies before ``now``, a wall time."""
        if not self.days:
            return False
        last = self.days[-1].last
        if last != now.date():
            return last < now.date()
        ends = self.exact[-1] if self.exact else self.time_to
        return ends is not None and ends <= now.time()


def on(day: date) -> When:
    return When(days=(Days(first=day, last=day),))


def between(first: date, last: date) -> When:
    return When(days=(Days(first=first, last=last),))


def _union(one: Iterable[E], other: Iterable[E]) -> tuple[E, ...]:
    """Ascending; of too many days, the first ones are over soonest."""
    return tuple(sorted({*one, *other}))[-_EXCLUDED_MAX:]


def joined(days: Iterable[Days]) -> tuple[Days, ...]:
    """Ascending, without repeats, bounded."""
    return tuple(sorted(set(days)))[:DAYS_MAX]


def plus(clock: time, minutes: int) -> time:
    """Within the same day."""
    total = min(max(clock.hour * 60 + clock.minute + minutes, 0), 24 * 60 - 1)
    return time(total // 60, total % 60)


def span(when: When, now: datetime, zones: Iterable[ZoneInfo]) -> tuple[datetime, datetime]:
    """The instants ``[from, to)`` that hold every slot that ``when`` allows in these zones."""
    zones = tuple(zones) or (ZoneInfo("UTC"),)
    if when.days:
        first, last = when.days[0].first, max(days.last for days in when.days)
        starts = min(_midnight(first, zone) for zone in zones)
        ends = max(_midnight(last + timedelta(days=1), zone) for zone in zones)
    else:
        starts = now
        ends = now + timedelta(days=OPEN_SPAN_DAYS)
    starts = max(starts, now)
    ends = max(ends, starts + timedelta(minutes=1))
    return starts, min(ends, starts + LONGEST_SPAN)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
