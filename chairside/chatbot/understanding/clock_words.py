"""Times of day in words: "after 3", "between two and four", "early afternoon"."""

import re
from collections.abc import Callable
from datetime import time
from functools import partial
from typing import Final

from chairside.chatbot.understanding.when import TimeProblem, plus

TAKEN: Final = " ¤ "
"""What stands where something was understood, so that it is not understood twice."""

_IN: Final = r"(?P<no>not |no |never )?(?:(?:in|on|at|during|by) )?(?:the |my )?"
_PARTS: Final = tuple(
    (re.compile(rf"\b{_IN}(?:{words})\b"), first, before)
    for words, first, before in (
        (r"(?:early (?:in the )?|first thing (?:in the )?)morning|first thing", None, time(10)),
        (r"late morning", time(10), time(12)),
        (r"mornings?|forenoons?", None, time(12)),
        (r"early (?:in the )?afternoon", time(12), time(15)),
        (r"late (?:in the )?afternoon", time(15), time(18)),
        (r"afternoons?", time(12), time(17)),
        (r"(?:lunch ?(?:time|break|hour)?|midday break)", time(12), time(14)),
        (r"(?:end of the (?:working )?day|late in the day)", time(15, 30), None),
        (r"(?:evenings?|tonight|at night)", time(17), None),
        (r"after work", time(16, 30), None),
        (r"after school", time(15), None),
        (r"before (?:work|school)", None, time(9, 30)),
    )
)

_CLOCK: Final = (
    r"(?:(?P<h{n}>\d{{1,2}})(?:(?:[:.]|(?=\d{{2}}h))(?P<m{n}>\d{{2}})(?!\d)(?!\.\d))?"
    r"(?: ?(?P<x{n}>am\b|pm\b|o'clock|h\b))?|(?P<w{n}>noon|midday|midnight))"
)


def _clock(number: int) -> str:
    return _CLOCK.format(n=number)


_NOT_DATE: Final = (
    r"(?! ?(?:days?|weeks?|months?|years?|minutes?|mins?|hours?|st|nd|rd|th|/|\d|%)\b)"
)
_RANGE: Final = re.compile(
    rf"\b(?P<lead>between |from )?{_clock(1)} ?(?:-|to|and|until|till) ?{_clock(2)}{_NOT_DATE}(?!\w)"
)
_AFTER: Final = re.compile(
    r"\b(?:any ?time )?(?:after|from|past|since|not before|no earlier than|(?<!no )later than|"
    rf"starting(?: at)?|earliest(?: at)?) {_clock(1)}{_NOT_DATE}(?: on(?:wards)?\b| onwards?\b)?(?!\w)"
)
_OR_LATER: Final = re.compile(
    rf"\b(?:at )?{_clock(1)}{_NOT_DATE},? (?:or later|or after|and later|onwards?|and after)\b"
)
_BEFORE: Final = re.compile(
    r"\b(?:any ?time )?(?:before|until|till|by|no later than|earlier than|not after|latest(?: at)?)"
    rf" {_clock(1)}{_NOT_DATE}(?!\w)"
)
_OR_EARLIER: Final = re.compile(
    rf"\b(?:at )?{_clock(1)}{_NOT_DATE},? (?:or earlier|or before|at the latest)\b"
)
_AROUND: Final = re.compile(
    rf"\b(?:around|about|roughly|approximately|circa|towards?) {_clock(1)}{_NOT_DATE}(?!\w)"
)
_ISH: Final = re.compile(rf"\b{_clock(1)} ?-?ish\b")
_AT: Final = re.compile(rf"(?:\bat|@) ?{_clock(1)}{_NOT_DATE}(?!\w)")
_BARE: Final = re.compile(
    r"\b(?:(?P<h1>\d{1,2})(?:[:.](?P<m1>\d{2})(?!\d|\.\d)|(?= ?(?:am|pm|o'clock)\b))"
    r"(?: ?(?P<x1>am\b|pm\b|o'clock|h\b))?|(?P<w1>noon|midday|midnight))(?!\w)"
)

_SPOKEN: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\bhalf (?:past )?(\d{1,2})\b"), r"\1:30"),
    (re.compile(r"\b(?:a )?quarter (?:past|after) (\d{1,2})\b"), r"\1:15"),
    (re.compile(r"\b(5|10|20|25) (?:minutes )?past (\d{1,2})\b"), r"\2:\1"),
    (re.compile(r"\b(\d{1,2}) (10|15|20|30|40|45|50)\b(?= ?(?:am|pm|$|¤|[,.!?]))"), r"\1:\2"),
)
_TO_HOUR: Final = re.compile(
    r"\b(?:(?:a )?(?P<quarter>quarter)|(?P<minutes>5|10|20|25) minutes|(?P<few>5|20|25)) to (?P<hour>\d{1,2})\b"
)
_AM_HINT: Final = re.compile(r"\bmornings?\b")
_PM_HINT: Final = re.compile(r"\b(?:afternoons?|evenings?|tonight|at night)\b")


class ClockReader:
    """Reads the times of day in one plain text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._morning, self._later = bool(_AM_HINT.search(text)), bool(_PM_HINT.search(text))
        self.time_from: time | None = None
        self.time_to: time | None = None
        self.at: time | None = None
        self.problems: dict[TimeProblem, str] = {}
        """With the words that are one."""

    def read(self) -> str:
        """The text without its times."""
        text = _TO_HOUR.sub(_to_hour, self._text)
        for pattern, form in _SPOKEN:
            text = pattern.sub(form, text)
        text = _RANGE.sub(self._range, text)
        for pattern, use in (
            (_OR_LATER, self._from),
            (_AFTER, self._from),
            (_OR_EARLIER, self._before),
            (_BEFORE, self._before),
            (_AROUND, self._around),
            (_ISH, self._around),
            (_AT, self._exactly),
            (_BARE, self._exactly),
        ):
            text = pattern.sub(partial(self._one, use), text)
        text = self._without_parts(text)
        earliest = self.at or self.time_from
        if (earliest and self.time_to and earliest >= self.time_to) or (
            self.at and self.time_from and self.at < self.time_from
        ):
            self._clash()
        return text

    def _without_parts(self, text: str) -> str:
        for pattern, first, before in _PARTS:
            match = pattern.search(text)
            if match is None:
                continue
            text = pattern.sub(TAKEN, text)
            if match["no"]:
                first, before = before, first  # not in the morning: from noon on
            if first is not None:
                self._from(first)
            if before is not None:
                self._before(before)
        return text

    def _clash(self) -> str:
        self.problems[TimeProblem.CONTRADICTION] = "those times of day"
        return TAKEN

    def _unreal(self, words: str) -> str:
        self.problems.setdefault(TimeProblem.UNREAL, words.strip())
        return TAKEN

    def _range(self, match: re.Match[str]) -> str:
        if not any(match[group] for group in ("lead", "x1", "x2", "m1", "m2", "w1", "w2")):
            return match[0]  # two bare numbers need not be times
        first, second = self._clock(match, 1), self._clock(match, 2)
        if first is None or second is None:
            return self._unreal(match[0])
        if match["x2"] and not match["x1"] and match["h1"]:
            first = _same_half(first, second)
        if first >= second:
            return self._clash()
        self._from(first)
        self._before(second)
        return TAKEN

    def _one(self, use: Callable[[time], None], match: re.Match[str]) -> str:
        clock = self._clock(match, 1)
        if clock is None:
            return self._unreal(match[0])
        use(clock)
        return TAKEN

    def _from(self, clock: time) -> None:
        self.time_from = max(clock, self.time_from or clock)

    def _before(self, clock: time) -> None:
        self.time_to = min(clock, self.time_to or clock)

    def _around(self, clock: time) -> None:
        self._from(plus(clock, -30))
        self._before(plus(clock, 31))

    def _exactly(self, clock: time) -> None:
        """Two of them are a choice: everything from the one to the other."""
        if self.at is None:
            self.at = clock
        elif self.at != clock:
            first, last = sorted((self.at, clock))
            self.at = None
            self._from(first)
            self._before(plus(last, 1))

    def _clock(self, match: re.Match[str], number: int) -> time | None:
        """The wall time of one clock in ``match``; ``None`` when no day has it."""
        if word := match[f"w{number}"]:
            return time(0) if word == "midnight" else time(12)
        hour, minute = int(match[f"h{number}"]), int(match[f"m{number}"] or 0)
        half = match[f"x{number}"]
        if half in ("am", "pm"):
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + (12 if half == "pm" else 0)
        elif half != "h" and hour <= 12:
            hour = self._guessed(hour)
        return time(hour, minute) if hour < 24 and minute < 60 else None

    def _guessed(self, hour: int) -> int:
        """A bare hour, as patients of a practice mean it: from eight to seven."""
        if self._morning != self._later:
            return hour if self._morning or hour == 12 else hour + 12
        return hour + 12 if 1 <= hour <= 7 else hour


def _same_half(first: time, second: time) -> time:
    """The "2" of "2-4 pm" is afternoon, the "10" of "10-2 pm" is not."""
    hour = first.hour % 12
    for candidate in (hour + 12 if second.hour >= 12 else hour, hour):
        if time(candidate, first.minute) < second:
            return time(candidate, first.minute)
    return first


def _to_hour(match: re.Match[str]) -> str:
    minutes = 15 if match["quarter"] else int(match["minutes"] or match["few"])
    hour = (int(match["hour"]) - 1) % 12 or 12
    return f"{hour}:{60 - minutes:02}"
