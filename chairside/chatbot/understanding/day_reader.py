"""Day expressions as they are found in a text: which days each way of writing means.

The patterns of these ways are in :mod:`chairside.chatbot.understanding.when_words`.
"""

import calendar
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from chairside.chatbot.understanding.clock_words import TAKEN
from chairside.chatbot.understanding.when import Days, TimeProblem

YEARS_AHEAD_MAX: Final = 3
"""No appointment is farther away than this."""
_BOUND_DAYS: Final = 28
"""How far "from Tuesday on" reaches."""

WEEKDAY: Final = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday|s)?|thu(?:rs(?:day)?|r)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?)"
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_TOKEN: Final = re.compile(r"⟦(\d+)⟧")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """One day, or days in a row, as written."""

    days: Days
    weekday: int | None = None
    """A bare weekday, which may belong to the date beside it."""
    concrete: bool = False
    """A single date of the calendar."""


class DayReader:
    """Reads the days in one text; the methods after ``read`` are its rules' actions."""

    def __init__(self, today: date, *, month_first: bool) -> None:
        self._today, self._month_first = today, month_first
        self._found: list[_Found] = []
        self.days: list[Days] = []
        self.weekdays: set[int] = set()
        self.not_weekdays: set[int] = set()
        self.problems: dict[TimeProblem, str] = {}
        """With the first words that are one."""

    def read(self, text: str, rules: "Iterable[tuple[re.Pattern[str], Rule]]") -> str:
        """The text without its days."""
        for pattern, rule in rules:
            text = pattern.sub(partial(rule, self), text)
        return _TOKEN.sub(self._alone, text)

    # --- what is found first --------------------------------------------------------------

    def _put(
        self,
        first: date,
        last: date | None = None,
        *,
        weekday: int | None = None,
        concrete: bool = False,
    ) -> str:
        days = Days(first=first, last=last or first)
        self._found.append(_Found(days=days, weekday=weekday, concrete=concrete))
        return f" ⟦{len(self._found) - 1}⟧ "

    def _reject(self, problem: TimeProblem, words: str) -> str:
        self.problems.setdefault(problem, words.strip())
        return TAKEN

    def ago(self, match: re.Match[str]) -> str:
        return self._reject(TimeProblem.PAST, match[0])

    def iso(self, match: re.Match[str]) -> str:
        year, month, day = match[0].split("-")
        return self._put_date(match, self._date(int(day), int(month), year))

    def dotted(self, match: re.Match[str]) -> str:
        return self._put_date(match, self._date(int(match[1]), int(match[2]), match[3]))

    def slashed(self, match: re.Match[str]) -> str:
        """Day and month in the order of the zone; in the other one if only that is a date."""
        one, other, *rest = match[0].split("/")
        year = rest[0] if rest else None
        day, month = (other, one) if self._month_first else (one, other)
        found = self._date(int(day), int(month), year) or self._date(int(month), int(day), year)
        return self._put_date(match, found)

    def named(self, match: re.Match[str]) -> str:
        day = self._date(int(match["day"]), _month_number(match["month"]), match["year"])
        return self._put_date(match, day)

    def _put_date(self, match: re.Match[str], day: date | None) -> str:
        return (
            self._reject(TimeProblem.UNREAL, match[0])
            if day is None
            else self._put(day, concrete=True)
        )

    def _date(self, day: int, month: int, year: str | None) -> date | None:
        """A calendar date; without a year the next one from today on. None: there is none."""
        if year is not None:
            years = [int(year) + (2000 if len(year) == 2 else 0)]
        else:  # 29 February comes again after eight years at the latest
            years = list(range(self._today.year, self._today.year + 9))
        for each in years:
            try:
                found = date(each, month, day)
            except ValueError:
                continue
            if year is not None or found >= self._today:
                return found
        return None

    def _ahead(self, count: int, unit: str) -> date | None:
        """So many days, fortnights, … from today; None beyond the calendar's end."""
        unit = unit.rstrip("s")
        months = count * {"month": 1, "year": 12}.get(unit, 0)
        days = count * {"day": 1, "week": 7, "fortnight": 14}.get(unit, 0)
        year, month = divmod(self._today.year * 12 + self._today.month - 1 + months, 12)
        try:
            first = date(year, month + 1, 1)
            day = first.replace(day=min(self._today.day, _days_of(first)))
            return day + timedelta(days=days)
        except (ValueError, OverflowError):
            return None

    def relative_day(self, match: re.Match[str]) -> str:
        word = match["word"]
        near = {"today": 0, "tonight": 0, "yesterday": -1, "day before yesterday": -2}
        is_part = word == "tonight" or word.startswith("this ")
        days = 0 if is_part else 2 if "after tomorrow" in word else near.get(word, 1)
        token = self._put(self._today + timedelta(days=days), concrete=True)
        return token + word.removeprefix("this ") if is_part else token

    def distance(self, match: re.Match[str]) -> str:
        """ "in two weeks", "3 days from now", "a week from Monday" (the weekday follows)."""
        unit = match["unit"]
        day = self._ahead(_count(match["count"]), unit)
        if day is not None and (anchor := match.groupdict().get("day")):
            ahead = (_number(anchor) - self._today.weekday()) % 7 or 7
            return self._put(day + timedelta(days=ahead))
        if day is None or day.year > self._today.year + YEARS_AHEAD_MAX:
            return self._reject(TimeProblem.FAR, match[0])
        if match.groupdict().get("now"):
            return self._put(day)
        width = 0 if unit.startswith("day") else 6 if unit.startswith(("week", "fort")) else 13
        return self._put(day, _later(day, width))

    def within(self, match: re.Match[str]) -> str:
        last = self._ahead(_count(match["count"]), match["unit"])
        return match[0] if last is None else self._put(self._today, last)

    def week(self, match: re.Match[str]) -> str:
        monday = self._today - timedelta(days=self._today.weekday())
        which = match["which"] or ""
        if which == "last":
            return self._reject(TimeProblem.PAST, match[0])
        weeks = 2 if "after next" in match[0] else 1 if which in ("next", "following") else 0
        return self._part(monday + timedelta(weeks=weeks), 7, match)

    def month(self, match: re.Match[str]) -> str:
        first = self._today.replace(day=1)
        if match["which"] in ("next", "following"):
            first = _next_month(first)
        elif match["which"] == "last":
            return self._reject(TimeProblem.PAST, match[0])
        return self._part(first, _days_of(first), match)

    def month_name(self, match: re.Match[str]) -> str:
        month = _month_number(match["month"])
        first = self._first_of(month) if not match["year"] else self._date(1, month, match["year"])
        return self._part(first, _days_of(first), match) if first is not None else match[0]

    def _first_of(self, month: int) -> date:
        """Of the month we are in, or the next one of that name."""
        return date(self._today.year + (month < self._today.month), month, 1)

    def _part(self, first: date, length: int, match: re.Match[str]) -> str:
        """The early, middle or late part of a week or a month, or all of what is left."""
        start, end = _part_of(match["edge"] or "", length)
        if first + timedelta(days=end) < self._today:
            return self._reject(TimeProblem.PAST, match[0])
        return self._put(
            max(first + timedelta(days=start), self._today), first + timedelta(days=end)
        )

    def weekend(self, match: re.Match[str]) -> str:
        which = match["which"] or ""
        if which == "last":
            return self._reject(TimeProblem.PAST, match[0])
        if match["plural"] or which in ("any", "on"):
            self.weekdays |= {5, 6}
            return TAKEN
        saturday = self._today + timedelta(days=(5 - self._today.weekday()) % 7)
        if self._today.weekday() == 6:
            saturday = self._today - timedelta(days=1)
        if which in ("next", "following"):
            saturday += timedelta(weeks=1)
        return self._put(max(saturday, self._today), saturday + timedelta(days=1))

    def working_days(self, match: re.Match[str]) -> str:
        self.weekdays.update(range(5))
        return TAKEN

    def without_weekdays(self, match: re.Match[str]) -> str:
        self.not_weekdays.update(map(_number, re.findall(rf"\b{WEEKDAY}", match["names"])))
        if "weekend" in match["names"]:
            self.not_weekdays |= {5, 6}
        return TAKEN

    def nth_weekday(self, match: re.Match[str]) -> str:
        """ "the first Monday of April" """
        if match["month"]:
            first = self._first_of(_month_number(match["month"]))
        else:
            first = self._today.replace(day=1)
            first = _next_month(first) if "next" in match[0] else first
        ahead = (_number(match["day"]) - first.weekday()) % 7
        days = [first + timedelta(days=each) for each in range(ahead, _days_of(first), 7)]
        nth = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
        index = nth.get(match["nth"], int(re.sub(r"\D", "", match["nth"]) or 1) - 1)
        if index >= len(days):
            return self._reject(TimeProblem.UNREAL, match[0])
        return self._put(days[index], concrete=True)

    def weekday(self, match: re.Match[str]) -> str:
        number, which = _number(match["day"]), (match["which"] or "").strip()
        if (match["plural"] and len(match["day"]) > 3) or which in ("any", "every", "some", "a"):
            self.weekdays.add(number)
            return TAKEN
        if which in ("last", "past"):
            return self._reject(TimeProblem.PAST, match[0])
        ahead = (number - self._today.weekday()) % 7
        day = self._today + timedelta(days=ahead or (0 if which == "this" else 7))
        monday = self._today - timedelta(days=self._today.weekday())
        week = match["week"] or ("next week" if which in ("next", "following") else None)
        if week is not None:
            weeks = ("this week", "next week", "week after next").index(week)
            day = monday + timedelta(weeks=weeks, days=number)
        if match["plus"]:
            return self._put(day + timedelta(weeks=1))
        return self._put(day, weekday=number if which in ("", "on", "this") and not week else None)

    def day_of_month(self, match: re.Match[str]) -> str:
        wanted = int(match["number"])
        if wanted <= 5 and match[0].startswith("the"):  # "the 3rd" may be the third offer
            return match[0]
        first = self._today.replace(day=1)
        for _ in range(12 if 1 <= wanted <= 31 else 0):
            if wanted <= _days_of(first) and first.replace(day=wanted) >= self._today:
                return self._put(first.replace(day=wanted), concrete=True)
            first = _next_month(first)
        return self._reject(TimeProblem.UNREAL, match[0])

    # --- how they belong together ---------------------------------------------------------

    def named_date(self, match: re.Match[str]) -> str:
        """ "Tuesday, 12 March": the weekday must be that of the date."""
        one, other = (self._found[int(match[name])] for name in ("a", "b"))
        if one.weekday is None:
            one, other = other, one
        if one.weekday is None or not other.concrete:
            return match[0]
        if other.days.first.weekday() != one.weekday:
            words = f"{calendar.day_name[one.weekday]} and {_shown(other.days.first)}"
            return self._reject(TimeProblem.CONTRADICTION, words)
        return self._put(other.days.first, concrete=True)

    def range(self, match: re.Match[str]) -> str:
        first, last = (self._found[int(match[name])].days for name in ("a", "b"))
        if last.last < first.first and self._found[int(match["b"])].weekday is not None:
            last = Days(first=last.first + timedelta(weeks=1), last=last.last + timedelta(weeks=1))
        if last.last < first.first:
            words = f"{_shown(first.first)} and {_shown(last.last)}"
            return self._reject(TimeProblem.CONTRADICTION, words)
        return self._add(first.first, last.last)

    def lower_bound(self, match: re.Match[str]) -> str:
        days = self._found[int(match["a"])].days
        after = match["word"] in ("after", "later than")
        first = days.last + timedelta(days=1) if after else days.first
        return self._add(first, _later(first, _BOUND_DAYS))

    def upper_bound(self, match: re.Match[str]) -> str:
        days = self._found[int(match["a"])].days
        before = match["word"] in ("before", "earlier than")
        last = days.first - timedelta(days=1) if before else days.last
        if last < self._today:
            return self._reject(TimeProblem.PAST, match[0])
        if self.days and self.days[-1].first <= last:  # after Monday, before Friday
            self.days[-1] = Days(first=self.days[-1].first, last=last)
            return TAKEN
        return self._add(self._today, last)

    def _alone(self, match: re.Match[str]) -> str:
        days = self._found[int(match[1])].days
        return self._add(days.first, days.last)

    def _add(self, first: date, last: date) -> str:
        if last < self._today:
            return self._reject(TimeProblem.PAST, _shown(last))
        if first.year > self._today.year + YEARS_AHEAD_MAX:
            return self._reject(TimeProblem.FAR, _shown(first))
        self.days.append(Days(first=first, last=last))
        return TAKEN


def _part_of(edge: str, length: int) -> tuple[int, int]:
    """First and last day of a part of a week (``length`` 7) or a month, from 0."""
    is_week = length == 7
    if edge in ("early", "beginning of", "start of"):
        return 0, 1 if is_week else length // 3 - 1
    if edge in ("mid", "middle of"):
        return (1, 3) if is_week else (11, 4 + length // 2)
    if edge in ("late", "end of"):
        return length - (4 if is_week else 9), length - 1
    return 0, length - 1


def _number(weekday: str) -> int:
    return _WEEKDAYS.index(weekday[:3])


def _month_number(month: str) -> int:
    return _MONTHS.index(month[:3]) + 1


def _count(text: str) -> int:
    if text.isdigit():
        return int(text)
    return {"a couple of": 2, "couple of": 2, "a few": 3, "few": 3}.get(text, 1)


def _later(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return day


def _next_month(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _days_of(first: date) -> int:
    return calendar.monthrange(first.year, first.month)[1]


def _shown(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


Rule = Callable[[DayReader, re.Match[str]], str]
"""Returns what replaces the match: the match itself if it is no day."""
