"""The calendar's words: weekdays, months, counts and parts, as the readers of days need them."""

import calendar
import re
from datetime import date, timedelta
from typing import Final

YEARS_AHEAD_MAX: Final = 3
"""No appointment is farther away than this."""
WEEKDAY: Final = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday|s)?|thu(?:rs(?:day)?|r)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?)"
)
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_NTH: Final = {
    "first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1, "latter": -1,
}  # fmt: skip


def part_of(edge: str, length: int) -> tuple[int, int]:
    """First and last day of a part of a week (``length`` 7) or a month, from 0."""
    is_week = length == 7
    if edge in ("early", "beginning of", "start of"):
        return 0, 1 if is_week else length // 3 - 1
    if edge in ("mid", "middle of"):
        return (1, 3) if is_week else (11, 4 + length // 2)
    if edge in ("late", "later", "end of"):
        return length - (4 if is_week else 9), length - 1
    return 0, length - 1


def nth_of(word: str) -> int:
    """From 0; -1 is the last."""
    return _NTH[word] if word in _NTH else int(re.sub(r"\D", "", word)) - 1


def weekday_number(weekday: str) -> int:
    return _WEEKDAYS.index(weekday[:3])


def month_number(month: str) -> int:
    return _MONTHS.index(month[:3]) + 1


def count_of(text: str) -> int:
    if text.isdigit():
        return int(text)
    return {"a couple of": 2, "couple of": 2, "a few": 3, "few": 3}.get(text, 1)


def next_month(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def days_of(first: date) -> int:
    return calendar.monthrange(first.year, first.month)[1]


def later(day: date, days: int) -> date:
    """Within the calendar."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return day


def shown(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
