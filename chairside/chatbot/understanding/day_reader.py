"""Day expressions as they are found in a text: which days each way of writing means.

The patterns of these ways are in :mod:`chairside.chatbot.understanding.when_words`, and what the
days of one text mean together is decided in :mod:`chairside.chatbot.understanding.day_joining`.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial
from typing import Final

from chairside.chatbot.understanding.calendar_words import (
    YEARS_AHEAD_MAX,
    count_of,
    days_of,
    later,
    month_number,
    next_month,
    nth_of,
    part_of,
    weekday_number,
)
from chairside.chatbot.understanding.clock_words import TAKEN
from chairside.chatbot.understanding.day_joining import DayJoiner, Found, Relation
from chairside.chatbot.understanding.when import Days, TimeProblem

_NO_DAY: Final = {
    "sat": re.compile(
        r"\b(?:i|we|you|he|she|they|who|that|have|had|has|just|never|always|and|then) $"
    ),
    "sun": re.compile(r"\b(?:the|hot|bright|direct|much|more) $"),
    "wed": re.compile(r"\b(?:i|we|they|be|are|were|got|get|newly|been|to) $"),
}
"""Before these words, "sat" is no Saturday."""
_HOLIDAY: Final = re.compile(
    r"\b(?:black|good|easter|whit|ash|maundy|shrove|cyber|palm|holy|pancake) $"
)
"""Before the name of a weekday: a holiday, whose date is unknown here."""
_DATE_BEFORE: Final = re.compile(
    r"(?:\b(?:on|by|before|after|from|until|till|since|between|than|not|except|earliest|latest"
    r"|around)(?: on)?(?: (?:the )?\d{1,2}(?:st|nd|rd|th),? (?:and|or|to|until|till|nor|-))?"
    r"|⟧,?|⟧,? {0,2}(?:and|or|to|until|till|-)) {0,2}$"
)
"""Before "the 3rd": a day, not the third of what was offered."""


class DayReader:
    """Finds the days in one text; the methods after ``read`` are its rules' actions.

    ``has_options``: "the 3rd" may be the third of what was shown.
    """

    def __init__(self, today: date, *, month_first: bool, has_options: bool = True) -> None:
        self._today, self._month_first = today, month_first
        self._has_options = has_options
        self._found: list[Found] = []
        self.problems: dict[TimeProblem, str] = {}
        """With the first words that are one."""
        self.unclear: list[str] = []

    def read(
        self,
        text: str,
        rules: "Iterable[tuple[re.Pattern[str], Rule]]",
        relations: Iterable[tuple[re.Pattern[str], Relation]],
    ) -> tuple[DayJoiner, str]:
        """The days as they belong together, and the text without them."""
        for pattern, rule in rules:
            text = pattern.sub(partial(rule, self), text)
        joiner = DayJoiner(self._found, self._today)
        joiner.problems, joiner.unclear = self.problems, self.unclear
        return joiner, joiner.read(text, relations)

    def _put(
        self,
        match: re.Match[str],
        first: date,
        last: date | None = None,
        *,
        weekday: int | None = None,
        week: Days | None = None,
        concrete: bool = False,
    ) -> str:
        return self._add(
            Found(
                words=match[0].strip(),
                days=Days(first=first, last=last or first),
                weekday=weekday,
                week=week,
                concrete=concrete,
            )
        )

    def _weekly(self, match: re.Match[str], *weekdays: int) -> str:
        today = Days(first=self._today, last=self._today)
        return self._add(Found(words=match[0].strip(), days=today, weekly=frozenset(weekdays)))

    def _add(self, found: Found) -> str:
        self._found.append(found)
        return f" ⟦{len(self._found) - 1}⟧ "

    def _reject(self, problem: TimeProblem, words: str) -> str:
        self.problems.setdefault(problem, words.strip())
        return TAKEN

    # --- dates ----------------------------------------------------------------------------

    def ago(self, match: re.Match[str]) -> str:
        return self._reject(TimeProblem.PAST, match[0])

    def iso(self, match: re.Match[str]) -> str:
        """ "2026-12-08", "2026/12/08", "20261208"; with "T14:30" the time stays in the text."""
        found = self._date(int(match["day"]), int(match["month"]), match["year"])
        fields = match.groupdict()
        if fields.get("zone"):
            self.unclear.append(match[0].strip().upper())
            return TAKEN
        clock = f"at {match['hour']}:{match['minute']} " if fields.get("hour") else ""
        return self._put_date(match, found) + clock

    def dotted(self, match: re.Match[str]) -> str:
        day, month, year = int(match[1]), int(match[2]), match[3] or None
        if year is None and month > 12 and day < 24:  # a time at the end of a sentence
            return match[0].removesuffix(".")
        return self._put_date(match, self._date(day, month, year))

    def slashed(self, match: re.Match[str]) -> str:
        """Day and month in the order of the zone; in the other one if only that is a date."""
        one, other, *rest = re.split(r"[/-]", match[0])
        year = rest[0] if rest else None
        day, month = (other, one) if self._month_first else (one, other)
        found = self._date(int(day), int(month), year) or self._date(int(month), int(day), year)
        return self._put_date(match, found)

    def named(self, match: re.Match[str]) -> str:
        day = self._date(int(match["day"]), month_number(match["month"]), match["year"])
        return self._put_date(match, day)

    def _put_date(self, match: re.Match[str], day: date | None) -> str:
        return (
            self._reject(TimeProblem.UNREAL, match[0])
            if day is None
            else self._put(match, day, concrete=True)
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

    def day_of_month(self, match: re.Match[str]) -> str:
        wanted, before = int(match["number"]), match.string[: match.start()][-40:]
        is_date = wanted > 5 or not self._has_options or match[0].startswith("on ")
        if not is_date and not _DATE_BEFORE.search(before):  # may be the third offer
            return match[0]
        first = self._today.replace(day=1)
        if rel := match["rel"]:
            first = next_month(first) if rel in ("next", "following") else first
            return self._put_date(match, self._date(wanted, first.month, str(first.year)))
        for _ in range(12 if 1 <= wanted <= 31 else 0):
            if wanted <= days_of(first) and first.replace(day=wanted) >= self._today:
                return self._put(match, first.replace(day=wanted), concrete=True)
            first = next_month(first)
        return self._reject(TimeProblem.UNREAL, match[0])

    # --- distances ------------------------------------------------------------------------

    def _ahead(self, count: int, unit: str) -> date | None:
        """So many days, fortnights, … from today; None beyond the calendar's end."""
        unit = unit.rstrip("s")
        months = count * {"month": 1, "year": 12}.get(unit, 0)
        days = count * {"day": 1, "week": 7, "fortnight": 14}.get(unit, 0)
        year, month = divmod(self._today.year * 12 + self._today.month - 1 + months, 12)
        try:
            first = date(year, month + 1, 1)
            day = first.replace(day=min(self._today.day, days_of(first)))
            return day + timedelta(days=days)
        except (ValueError, OverflowError):
            return None

    def relative_day(self, match: re.Match[str]) -> str:
        word = match["word"]
        near = {"today": 0, "tonight": 0, "yesterday": -1, "day before yesterday": -2}
        is_part = word == "tonight" or word.startswith("this ")
        days = 0 if is_part else 2 if "after tomorrow" in word else near.get(word, 1)
        weeks = {"week": 1, "fortnight": 2}.get((match["plus"] or "").strip(), 0)
        token = self._put(match, self._today + timedelta(days=days, weeks=weeks), concrete=True)
        return token + word.removeprefix("this ") if is_part else token

    def distance_from(self, match: re.Match[str]) -> str:
        """ "3 days from now", "a week from Monday", "a week on Tuesday", "a week tomorrow" """
        unit, way = match["unit"], match["way"]
        day = self._ahead(count_of(match["count"]), unit)
        if way != "from" and not unit.startswith(("week", "fortnight")):
            return match[0]
        if day is None or day.year > self._today.year + YEARS_AHEAD_MAX:
            return self._reject(TimeProblem.FAR, match[0])
        if match["day"] is None:
            return self._put(match, later(day, int(match["anchor"] == "tomorrow")), concrete=True)
        number = weekday_number(match["day"])
        ahead = (number - self._today.weekday()) % 7 or 7
        if match["next"]:
            ahead = 7 - self._today.weekday() + number
        return self._put(match, later(day, ahead), concrete=True)

    def distance(self, match: re.Match[str]) -> str:
        """ "in two weeks", "in 3 days" """
        unit = match["unit"]
        day = self._ahead(count_of(match["count"]), unit)
        if day is None or day.year > self._today.year + YEARS_AHEAD_MAX:
            return self._reject(TimeProblem.FAR, match[0])
        width = 0 if unit.startswith("day") else 6 if unit.startswith(("week", "fort")) else 13
        return self._put(match, day, later(day, width))

    def within(self, match: re.Match[str]) -> str:
        last = self._ahead(count_of(match["count"]), match["unit"])
        return match[0] if last is None else self._put(match, self._today, last)

    # --- weeks, months and their parts ----------------------------------------------------

    @property
    def _monday(self) -> date:
        return self._today - timedelta(days=self._today.weekday())

    def week(self, match: re.Match[str]) -> str:
        which = match["which"] or ""
        if which == "last":
            return self._reject(TimeProblem.PAST, match[0])
        weeks = 2 if "after next" in match[0] else 1 if which in ("next", "following") else 0
        return self._part(self._monday + timedelta(weeks=weeks), 7, match)

    def month(self, match: re.Match[str]) -> str:
        first = self._today.replace(day=1)
        if match["which"] in ("next", "following"):
            first = next_month(first)
        elif match["which"] == "last":
            return self._reject(TimeProblem.PAST, match[0])
        if "after next" in match[0]:
            first = next_month(next_month(first))
        return self._part(first, days_of(first), match)

    def month_name(self, match: re.Match[str]) -> str:
        first = self._first_of(match)
        return match[0] if first is None else self._part(first, days_of(first), match)

    def _first_of(self, match: re.Match[str]) -> date | None:
        """Of the month that is named, with or without a year, or "next month"."""
        fields = match.groupdict()
        if name := fields.get("month"):
            month = month_number(name)
            if fields.get("year"):
                return self._date(1, month, fields["year"])
            return date(self._today.year + (month < self._today.month), month, 1)
        first = self._today.replace(day=1)
        is_next = "next" in (fields.get("rel") or "") or "following" in (fields.get("rel") or "")
        return next_month(first) if is_next else first

    def _part(self, first: date, length: int, match: re.Match[str]) -> str:
        """The early, middle or late part of a week or a month, or all of what is left."""
        start, end = part_of(match["edge"] or "", length)
        return self._put_part(match, first, start, end)

    def _put_part(self, match: re.Match[str], first: date, start: int, end: int) -> str:
        """From the day ``start`` to the day ``end`` after ``first``, as far as it is ahead."""
        begins, ends = first + timedelta(days=start), first + timedelta(days=end)
        if ends < self._today:
            return self._reject(TimeProblem.PAST, match[0])
        return self._put(match, max(begins, self._today), ends)

    def piece_of_month(self, match: re.Match[str]) -> str:
        """ "the second week of December" (from the 8th to the 14th), "the first half of it" """
        first = self._first_of(match)
        if first is None:
            return match[0]
        nth, length = nth_of(match["nth"]), days_of(first)
        if match["piece"] == "half":
            start, end = (0, 14) if nth == 0 else (15, length - 1)
            return self._put_part(match, first, start, end) if nth in (0, 1, -1) else match[0]
        start = length - 7 if nth < 0 else 7 * nth
        if start >= length:
            return self._reject(TimeProblem.UNREAL, match[0])
        return self._put_part(match, first, start, min(start + 6, length - 1))

    def weekend(self, match: re.Match[str]) -> str:
        which = match["which"] or ""
        if which == "last":
            return self._reject(TimeProblem.PAST, match[0])
        if match["plural"] or which in ("any", "on"):
            return self._weekly(match, 5, 6)
        saturday = self._today + timedelta(days=(5 - self._today.weekday()) % 7)
        if self._today.weekday() == 6:
            saturday = self._today - timedelta(days=1)
        if which in ("next", "following"):
            saturday += timedelta(weeks=1)
        if match["after"]:
            saturday = self._monday + timedelta(weeks=2, days=5)
        return self._put(match, max(saturday, self._today), saturday + timedelta(days=1))

    def working_days(self, match: re.Match[str]) -> str:
        return self._weekly(match, *range(5))

    def nth_weekday(self, match: re.Match[str]) -> str:
        """ "the first Monday of April" """
        first = self._first_of(match)
        if first is None:
            return match[0]
        ahead = (weekday_number(match["day"]) - first.weekday()) % 7
        days = [first + timedelta(days=each) for each in range(ahead, days_of(first), 7)]
        index = nth_of(match["nth"])
        if index >= len(days):
            return self._reject(TimeProblem.UNREAL, match[0])
        return self._put(match, days[index], concrete=True)

    def weekday(self, match: re.Match[str]) -> str:
        number, which = weekday_number(match["day"]), (match["which"] or "").strip()
        no_day = _NO_DAY.get(match["day"])
        if _HOLIDAY.search(match.string[: match.start()][-20:]):
            return match[0]
        if no_day and which in ("a", "some"):  # "a sun hat"
            return match[0]
        if no_day and not which and no_day.search(match.string[: match.start()][-20:]):
            return match[0]
        if which in ("last", "past"):
            return self._reject(TimeProblem.PAST, match[0])
        if (match["plural"] and len(match["day"]) > 3) or which in (
            "any",
            "every",
            "some",
            "a",
            "each",
        ):
            return self._weekly(match, number)
        ahead = (number - self._today.weekday()) % 7
        day = self._today + timedelta(days=ahead or (0 if which == "this" else 7))
        named = "week after next" if match["after"] else match["week"]
        if named is None and which in ("next", "following"):
            named = "next week"
        if named is not None:
            return self._weekday_of(match, number, named)
        if plus := match["plus"]:
            return self._put(
                match, day + timedelta(weeks=2 if "fort" in plus else 1), concrete=True
            )
        is_bare = which in ("", "on", "this")
        return self._put(match, day, weekday=number if is_bare else None)

    def _weekday_of(self, match: re.Match[str], number: int, named: str) -> str:
        weeks = {"this week": 0, "week after next": 2}.get(named, 1)
        monday = self._monday + timedelta(weeks=weeks)
        week = Days(first=monday, last=monday + timedelta(days=6))
        if match["plus"]:
            return self._put(match, monday + timedelta(weeks=1, days=number), concrete=True)
        return self._put(match, monday + timedelta(days=number), week=week)


Rule = Callable[[DayReader, re.Match[str]], str]
"""Returns what replaces the match: the match itself if it is no day."""
