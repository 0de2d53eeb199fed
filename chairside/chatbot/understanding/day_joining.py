"""How the days of one text belong together: ranges, bounds, alternatives, and days that are not.

The patterns are in :mod:`chairside.chatbot.understanding.day_relations`.
Works on a text where every day that was found is a mark ``⟦n⟧``. A day that stands in no known
relation to the others is reported as unclear, never combined by guesswork.
"""

import calendar
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import pairwise
from typing import Final

from chairside.chatbot.understanding.calendar_words import YEARS_AHEAD_MAX, later, shown
from chairside.chatbot.understanding.clock_words import TAKEN
from chairside.chatbot.understanding.when import DAYS_MAX, Days, TimeProblem

_BOUND_DAYS: Final = 28
"""How far "from Tuesday on" reaches."""
_FOUND_MAX: Final = 12
"""More days in one text are not joined."""
_MARK: Final = re.compile(r"⟦(\d{1,3})⟧")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One day, days in a row, or weekdays of any week, as written."""

    words: str
    days: Days
    """Of weekdays of any week: of no meaning."""
    weekly: frozenset[int] = frozenset()
    """Weekdays of any week: "Mondays", "on a Friday"."""
    weekday: int | None = None
    """A bare weekday, which may belong to the date or the week beside it."""
    week: Days | None = None
    """The week that a weekday was given with: "next Tuesday"."""
    concrete: bool = False
    """A single date of the calendar."""


_CHOICE: Final = re.compile(
    r"(?:[\s,/&(]|\b(?:or|and|either|also|else|on|the|a|maybe|perhaps|possibly|even|rather|at"
    r"|in|otherwise|if not|preferably|alternatively|then|better|any ?time)\b)*+"
)
_OR: Final = re.compile(r"\b(?:or|and|if not|otherwise|alternatively)\b|[,/&]")
_SPOKEN_OR: Final = re.compile(r"\b(?:or|and|if not|otherwise|alternatively)\b")
_BUT: Final = re.compile(r"\bbut(?: the)? {0,3}$")
_NEGATED: Final = re.compile(r"\b(?:not|no|never|\w{2,8}n't)(?: \w{1,12}){0,2} $")


class DayJoiner:
    """Joins what was found; the methods after ``read`` are its rules' actions."""

    def __init__(self, found: Sequence[Found], today: date) -> None:
        self._found, self._today = list(found), today
        self._first: date | None = None
        self._last: date | None = None
        self.days: list[Days] = []
        self.not_days: list[Days] = []
        self.weekdays: set[int] = set()
        self.not_weekdays: set[int] = set()
        self.problems: dict[TimeProblem, str] = {}
        """With the first words that are one."""
        self.unclear: list[str] = []
        """Days whose relation to the others is unknown, as written."""

    def read(self, text: str, relations: "Iterable[tuple[re.Pattern[str], Relation]]") -> str:
        """The text without its days."""
        if len(self._found) > _FOUND_MAX:
            self.unclear.append("so many days at once")
            return _MARK.sub(TAKEN, text)
        for pattern, rule in relations:
            text = pattern.sub(partial(rule, self), text)
        self._join_alternatives(text)
        self._apply_bounds()
        return _MARK.sub(TAKEN, text)

    def _at(self, match: re.Match[str], name: str) -> Found:
        return self._found[int(match[name])]

    def _put(self, match: re.Match[str], first: date, last: date, *, concrete: bool = False) -> str:
        words = _MARK.sub(lambda mark: self._found[int(mark[1])].words, match[0])
        days = Days(first=first, last=last)
        self._found.append(Found(words=" ".join(words.split()), days=days, concrete=concrete))
        return f" ⟦{len(self._found) - 1}⟧ "

    def _reject(self, problem: TimeProblem, words: str) -> str:
        self.problems.setdefault(problem, words.strip())
        return TAKEN

    # --- several marks become one ---------------------------------------------------------

    def named_date(self, match: re.Match[str]) -> str:
        """ "Tuesday, 12 March": the weekday must be that of the date."""
        one, other = self._at(match, "a"), self._at(match, "b")
        if one.weekday is None:
            one, other = other, one
        if one.weekday is None or not other.concrete:
            return match[0]
        day = other.days.first
        if day.weekday() != one.weekday:
            words = f"{calendar.day_name[one.weekday]} and {shown(day)}"
            return self._reject(TimeProblem.CONTRADICTION, words)
        return self._put(match, day, day, concrete=True)

    def beside(self, match: re.Match[str]) -> str:
        """ "the day after ⟦Friday⟧", "the week of ⟦14 December⟧" """
        days, way = self._at(match, "a").days, match["way"]
        if self._at(match, "a").weekly:
            return match[0]
        if match["unit"] == "day" and way in ("after", "following", "before"):
            day = later(days.first, -1) if way == "before" else later(days.last, 1)
            return self._put(match, day, day, concrete=True)
        weeks = {"after": 7, "following": 7, "before": -7}.get(way, 0)
        monday = later(days.first, weeks - days.first.weekday())
        return self._put(match, monday, later(monday, 6)) if match["unit"] == "week" else match[0]

    def weekday_beside(self, match: re.Match[str]) -> str:
        """ "the Monday before ⟦20 December⟧" """
        weekday, day = self._at(match, "a").weekday, self._at(match, "b").days
        if weekday is None or self._at(match, "b").weekly:
            return match[0]
        if match["way"] == "before":
            found = later(day.first, -((day.first.weekday() - weekday) % 7 or 7))
        else:
            found = later(day.last, (weekday - day.last.weekday()) % 7 or 7)
        return self._put(match, found, found, concrete=True)

    def range(self, match: re.Match[str]) -> str:
        one, other = self._at(match, "a"), self._at(match, "b")
        if one.weekly or other.weekly:
            return self._weekly_range(match, one, other)
        first, last = one.days, other.days
        if last.last < first.first and other.weekday is not None:
            last = Days(first=later(last.first, 7), last=later(last.last, 7))
        if last.last < first.first:
            words = f"{shown(first.first)} and {shown(last.last)}"
            return self._reject(TimeProblem.CONTRADICTION, words)
        return self._put(match, first.first, last.last)

    def _weekly_range(self, match: re.Match[str], one: Found, other: Found) -> str:
        """ "Mondays to Wednesdays" """
        if len(one.weekly) != 1 or len(other.weekly) != 1:
            return match[0]
        (first,), (last,) = one.weekly, other.weekly
        weekly = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
        self._found.append(replace(one, words=match[0], weekly=weekly))
        return f" ⟦{len(self._found) - 1}⟧ "

    # --- bounds and exclusions ------------------------------------------------------------

    def bound(self, match: re.Match[str], *, later_by: int | None, sooner_by: int | None) -> str:
        """A first day (``later_by`` days after the named ones) or a last one."""
        found = self._at(match, "a")
        if found.weekly or _is_negated(match):
            return match[0]
        days = found.days
        if later_by is not None:
            first = later(days.last, 1) if later_by else days.first
            self._first = max(first, self._first or first)
        elif sooner_by is not None:
            is_long = (days.last - days.first).days > 6 and not re.search("end|late", found.words)
            last = later(days.first, -1) if sooner_by else days.first if is_long else days.last
            if last < self._today:
                return self._reject(TimeProblem.PAST, match[0])
            self._last = min(last, self._last or last)
        return TAKEN

    def exclusion(self, match: re.Match[str]) -> str:
        """ "not on Monday or Tuesday", "any day except the 9th" """
        kept = match.groupdict().get("all") or ""  # of "any day next week but Monday"
        named = [self._found[int(mark)] for mark in _MARK.findall(match[0][len(kept) :])]
        is_answer = not match.string[: match.start()].strip() and match[0].startswith("no ")
        if is_answer and all(found.weekday is not None for found in named):
            return match[0]  # "no Monday" may be "no, on Monday"
        for found in named:
            if found.weekly:
                self.not_weekdays |= found.weekly
            elif found.weekday is not None and not found.words.startswith("this"):
                self.not_weekdays.add(found.weekday)
            elif found.days.last >= self._today:
                self.not_days.append(found.days)
        return kept + TAKEN

    # --- what is left are alternatives ----------------------------------------------------

    def _join_alternatives(self, text: str) -> None:
        marks = list(_MARK.finditer(text))
        chosen = [self._found[int(mark[1])] for mark in marks]
        gaps = ["", *(text[one.end() : other.start()] for one, other in pairwise(marks)), ""]
        wide: Days | None = None
        is_anchored = has_days = False
        for at, found in enumerate(chosen):
            is_choice = _is_choice(gaps[at]) if at else True
            if at and _BUT.search(gaps[at]):
                self.unclear.append(f"but {found.words}")  # without it, or on it
            is_anchored = wide is not None and (is_anchored or not _SPOKEN_OR.search(gaps[at]))
            if found.weekly:
                self._add_weekly(found, is_choice=is_choice)
                continue
            ahead = chosen[at + 1] if at + 1 < len(chosen) else None
            week = None if ahead is None else _week_behind(ahead, gaps[at + 1])
            days = _within(found, wide if is_anchored else week)
            if days is None:
                self.unclear.append(found.words)
            elif (
                not has_days and (not at or not is_choice or (days.last - days.first).days >= 6)
            ) or (has_days and is_choice and not _narrows(days, self.days, gaps[at])):
                self._add(days)
            elif self.days and _covers(self.days[-1], days) and gaps[at].strip() != "of":
                self.days[-1] = days
            elif gaps[at].strip() == "of" or not any(_covers(days, one) for one in self.days):
                self.unclear.append(found.words)
            has_days = True
            is_anchored = is_anchored or found.week is not None
            wide = wide or found.week or (days if days and _is_wide(found) else None)
        if self.weekdays and any(not _has_weekday(days, self.weekdays) for days in self.days):
            self._reject(TimeProblem.CONTRADICTION, "those days")

    def _add_weekly(self, found: Found, *, is_choice: bool) -> None:
        if self.days and is_choice and not _is_wide_enough(self.days):
            self.unclear.append(found.words)  # "14 December or any Friday"
        self.weekdays |= found.weekly

    def _add(self, days: Days) -> None:
        if days.last < self._today:
            self._reject(TimeProblem.PAST, shown(days.last))
        elif days.first.year > self._today.year + YEARS_AHEAD_MAX:
            self._reject(TimeProblem.FAR, shown(days.first))
        elif days not in self.days:
            self.days.append(days)

    def _apply_bounds(self) -> None:
        first, last = self._first, self._last
        if first is not None and first.year > self._today.year + YEARS_AHEAD_MAX:
            self._reject(TimeProblem.FAR, shown(first))
        elif first is not None or last is not None:
            self._clip(max(first or self._today, self._today), last)
        if len(set(self.days)) > DAYS_MAX or len(self.not_days) > DAYS_MAX:
            self.unclear.append("so many days at once")

    def _clip(self, first: date, last: date | None) -> None:
        if not self.days and not self.problems:
            self.days.append(Days(first=first, last=max(first, last or later(first, _BOUND_DAYS))))
        clipped = [
            Days(first=max(days.first, first), last=min(days.last, last or days.last))
            for days in self.days
            if days.last >= first and (last is None or days.first <= last)
        ]
        if (self.days and not clipped) or (last is not None and last < first):
            words = f"{shown(first)} and {shown(last)}" if last else "those days"
            self._reject(TimeProblem.CONTRADICTION, words)
        self.days = clipped


def _is_negated(match: re.Match[str]) -> bool:
    """Whether "after" is that of "not much after"; "not after" is a bound of its own."""
    before = match.string[max(match.start() - 40, 0) : match.start()]
    return match[0][:2] not in ("no", "on") and bool(_NEGATED.search(before))


def _week_behind(ahead: Found, gap: str) -> Days | None:
    """The week of "Monday or Thursday next week", or of "Friday in two weeks"."""
    if _SPOKEN_OR.search(gap):
        return ahead.week
    return ahead.days if _is_wide(ahead) and not _OR.search(gap) else None


def _is_choice(gap: str) -> bool:
    return _CHOICE.fullmatch(gap) is not None and _OR.search(gap) is not None


def _narrows(days: Days, before: Sequence[Days], gap: str) -> bool:
    """Whether "next week, Tuesday" gives the day in the week, rather than an alternative."""
    return bool(before) and _covers(before[-1], days) and not _SPOKEN_OR.search(gap)


def _covers(one: Days, other: Days) -> bool:
    return one.first <= other.first and other.last <= one.last


def _is_wide(found: Found) -> bool:
    return found.weekday is None and 5 <= (found.days.last - found.days.first).days <= 6


def _is_wide_enough(days: Sequence[Days]) -> bool:
    return all((one.last - one.first).days >= 6 for one in days)


def _within(found: Found, wide: Days | None) -> Days | None:
    """The days, or those of a bare weekday in the week that is given beside it."""
    if found.weekday is None or wide is None:
        return found.days
    ahead = (found.weekday - wide.first.weekday()) % 7
    day = later(wide.first, ahead)
    return Days(first=day, last=day) if day <= wide.last else None


def _has_weekday(days: Days, weekdays: set[int]) -> bool:
    span = min((days.last - days.first).days, 6)
    return any((days.first.weekday() + step) % 7 in weekdays for step in range(span + 1))


Relation = Callable[[DayJoiner, re.Match[str]], str]
"""Returns what replaces the match: the match itself if it does not apply."""
