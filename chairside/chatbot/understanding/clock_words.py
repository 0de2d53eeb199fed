"""Times of day in words: "after 3", "between two and four", "early afternoon".

:func:`take_clock` finds them in plain text, removes them and returns what they mean.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import time
from typing import Final

TAKEN: Final = " ¤ "
"""What stands where something was understood, so that it is not understood twice."""

_PARTS: Final[tuple[tuple[str, time | None, time | None], ...]] = (
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
_PART_RULES: Final = tuple(
    (re.compile(rf"\b(?P<no>not |no |never )?(?:(?:in|on|at|during|by) )?(?:the |my )?(?:{words})\b"),
     first, last)
    for words, first, last in _PARTS
)  # fmt: skip

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
    rf"|\b{_clock(2)} ?-?ish\b"
)
_AT: Final = re.compile(rf"(?:\bat|@) ?{_clock(1)}{_NOT_DATE}(?!\w)")
_BARE: Final = re.compile(
    r"\b(?:(?P<h1>\d{1,2})[:.](?P<m1>\d{2})(?!\d|\.\d)(?: ?(?P<x1>am\b|pm\b|o'clock|h\b))?"
    r"|(?P<h2>\d{1,2}) ?(?P<x2>am\b|pm\b|o'clock)"
    r"|(?P<w1>noon|midday|midnight))(?!\w)"
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


@dataclass(slots=True)
class ClockTimes:
    """The times of day that were found."""

    time_from: time | None = None
    time_to: time | None = None
    at: time | None = None
    impossible: list[str] = field(default_factory=list)
    """Words that name a time no day has."""
    clash: bool = False

    def start_at_or_after(self, clock: time) -> None:
        self.time_from = clock if self.time_from is None else max(self.time_from, clock)

    def start_before(self, clock: time) -> None:
        self.time_to = clock if self.time_to is None else min(self.time_to, clock)

    def start_exactly(self, clock: time) -> None:
        """Two of them are a choice: everything from the one to the other."""
        if self.at is None and self.time_from is None:
            self.at = clock
        elif self.at is not None and self.at != clock:
            first, last = sorted((self.at, clock))
            self.at = None
            self.start_at_or_after(first)
            self.start_before(_plus(last, 1))
        elif self.at is None:
            self.at = clock

    @property
    def contradicts(self) -> bool:
        first, before, at = self.time_from, self.time_to, self.at
        if first is not None and before is not None and first >= before:
            return True
        return at is not None and (
            (first is not None and at < first) or (before is not None and at >= before)
        )


def take_clock(text: str) -> tuple[ClockTimes, str]:
    """The times of day in plain ``text``, and the text without them."""
    found = ClockTimes()
    hints = (bool(_AM_HINT.search(text)), bool(_PM_HINT.search(text)))
    text = _TO_HOUR.sub(_to_hour, text)
    for pattern, form in _SPOKEN:
        text = pattern.sub(form, text)
    text = _RANGE.sub(lambda match: _range(match, found, hints), text)
    for pattern in (_OR_LATER, _AFTER):
        text = pattern.sub(lambda match: _one(match, found, hints, found.start_at_or_after), text)
    for pattern in (_OR_EARLIER, _BEFORE):
        text = pattern.sub(lambda match: _one(match, found, hints, found.start_before), text)
    text = _AROUND.sub(
        lambda match: _one(match, found, hints, lambda clock: _around(found, clock)), text
    )
    for pattern in (_AT, _BARE):
        text = pattern.sub(lambda match: _one(match, found, hints, found.start_exactly), text)
    return found, _take_parts(text, found)


def _take_parts(text: str, found: ClockTimes) -> str:
    for pattern, first, before in _PART_RULES:
        match = pattern.search(text)
        if match is None:
            continue
        text = pattern.sub(TAKEN, text)
        if match["no"]:
            first, before = before, first  # not in the morning: from noon on
        if first is not None:
            found.start_at_or_after(first)
        if before is not None:
            found.start_before(before)
    return text


def _around(found: ClockTimes, clock: time) -> None:
    found.start_at_or_after(_plus(clock, -30))
    found.start_before(_plus(clock, 31))


def _range(match: re.Match[str], found: ClockTimes, hints: tuple[bool, bool]) -> str:
    first, second = _read(match, 1, hints), _read(match, 2, hints)
    if not any(match[group] for group in ("lead", "x1", "x2", "m1", "m2", "w1", "w2")):
        return match[0]  # two bare numbers need not be times
    if first is None or second is None:
        found.impossible.append(match[0])
        return TAKEN
    if match["x2"] and not match["x1"] and match["h1"]:
        first = _same_half(first, second)
    if first >= second:
        found.clash = True
        return TAKEN
    found.start_at_or_after(first)
    found.start_before(second)
    return TAKEN


def _same_half(first: time, second: time) -> time:
    """The "2" of "2-4 pm" is afternoon, the "10" of "10-2 pm" is not."""
    hour = first.hour % 12
    for candidate in (hour + 12 if second.hour >= 12 else hour, hour):
        if candidate < 24 and time(candidate, first.minute) < second:
            return time(candidate, first.minute)
    return first


def _one(
    match: re.Match[str], found: ClockTimes, hints: tuple[bool, bool], use: Callable[[time], None]
) -> str:
    for number in _numbers(match):
        clock = _read(match, number, hints)
        if clock is None:
            found.impossible.append(match[0].strip())
        else:
            use(clock)
    return TAKEN


def _numbers(match: re.Match[str]) -> Iterator[int]:
    groups = match.groupdict()
    for number in (1, 2):
        if groups.get(f"h{number}") or groups.get(f"w{number}"):
            yield number


def _read(match: re.Match[str], number: int, hints: tuple[bool, bool]) -> time | None:
    """The wall time of one clock in ``match``; ``None`` when no day has it."""
    groups = match.groupdict()
    word = groups.get(f"w{number}")
    if word is not None:
        return time(0) if word == "midnight" else time(12)
    hour, minute = int(groups[f"h{number}"]), int(groups.get(f"m{number}") or 0)
    half = groups.get(f"x{number}")
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    elif half != "h" and hour <= 12:
        hour = _guessed(hour, hints)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _guessed(hour: int, hints: tuple[bool, bool]) -> int:
    """A bare hour, as patients of a practice mean it: from eight to seven."""
    morning, later = hints
    if morning and not later:
        return hour
    if later and not morning:
        return hour + 12 if hour < 12 else hour
    return hour + 12 if 1 <= hour <= 7 else hour


def _to_hour(match: re.Match[str]) -> str:
    minutes = 15 if match["quarter"] else int(match["minutes"] or match["few"])
    hour = (int(match["hour"]) - 1) % 12 or 12
    return f"{hour}:{60 - minutes:02}"


def _plus(clock: time, minutes: int) -> time:
    total = min(max(clock.hour * 60 + clock.minute + minutes, 0), 24 * 60 - 1)
    return time(total // 60, total % 60)
