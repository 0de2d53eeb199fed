"""Times of day in words: "after 3", "between two and four", "early afternoon", "14h30"."""

import re
from collections.abc import Callable
from datetime import time
from functools import partial
from typing import Final

from chairside.chatbot.understanding.when import CLOCKS_MAX, TimeProblem, plus

TAKEN: Final = " ¤ "
"""What stands where something was understood, so that it is not understood twice."""
TIME: Final = " ¢ "
"""What stands where a time of day was, until it is known how times and days belong together."""
_EXACT: Final = " € "

_IN: Final = r"(?P<no>not |no |never |(?:any ?time |anything )?(?:but not|except(?: for)?|other than) |(?:any ?time|anything) but )?(?:(?:in|on|at|during|by|over) )?(?:the |my )?"
_PARTS: Final = tuple(
    (words, re.compile(rf"\b{_IN}(?:{words})\b"), first, before)
    for words, first, before in (
        (r"(?:early (?:in the )?|first thing (?:in the )?)morning|first thing", None, time(10)),
        (r"late morning", time(10), time(12)),
        (r"mornings?|forenoons?", None, time(12)),
        (r"early (?:in the )?afternoon", time(12), time(15)),
        (r"late (?:in the )?afternoon", time(15), time(18)),
        (r"afternoons?", time(12), time(17)),
        (r"after lunch(?: ?time| ?break)?", time(13), None),
        (r"before lunch(?: ?time| ?break)?", None, time(12)),
        (r"(?:lunch ?(?:time|break|hour)?|midday break)", time(12), time(14)),
        (r"(?:end of the (?:working )?day|late in the day)", time(15, 30), None),
        (r"(?:evenings?|tonight|at night)", time(17), None),
        (r"after work", time(16, 30), None),
        (r"after school", time(15), None),
        (r"before (?:work|school)", None, time(9, 30)),
    )
)
_ANY_PART: Final = "|".join(words for words, *_ in _PARTS)
_NOT_PARTS: Final = re.compile(
    rf"\b(?:not|no|never|neither) (?:(?:in|on|at|during) )?(?:the )?(?:{_ANY_PART}),? "
    rf"(?:or|nor|and) (?:(?:in|on|at|during) )?(?:the )?(?:{_ANY_PART})\b"
)
"""Several excluded parts of the day leave no single span."""

_CLOCK: Final = (
    r"(?:(?P<h{n}>\d{{1,2}})(?:(?:[:.]|(?=\d{{2}}h))(?P<m{n}>\d{{2}})(?!\d)(?!\.\d))?"
    r"(?: ?(?P<x{n}>am\b|pm\b|o'clock|h\b|uhr\b))?|(?P<w{n}>noon|midday|midnight))"
)


def _clock(number: int) -> str:
    return _CLOCK.format(n=number)


_NOT_DATE: Final = (
    r"(?! ?(?:days?|weeks?|months?|years?|minutes?|mins?|hours?|st|nd|rd|th|/|\d|%)\b)"
)
_END: Final = r"(?!\w)(?!-\d)"
_RANGE: Final = re.compile(
    rf"\b(?P<lead>between |from )?{_clock(1)} ?(?:-|to|and|until|till) ?{_clock(2)}{_NOT_DATE}(?!\w)"
)
_AFTER: Final = re.compile(
    r"\b(?:any ?time )?(?:(?:not|no) (?:before|(?:any )?(?:earlier|sooner) than)|not (?:until|till)"
    r"|(?:on|at) or after|at the earliest(?: at)?|earliest(?: at)?|from|past|as of|starting(?: at)?"
    rf"|(?<!no )(?<!not )(?<!any )(?:after|later than)) {_clock(1)}{_NOT_DATE}"
    rf"(?: on(?:wards)?\b| onwards?\b| at the earliest\b)?{_END}"
)
_OR_LATER: Final = re.compile(
    rf"\b(?:at )?{_clock(1)}{_NOT_DATE},? (?:or later|or after|and later|onwards?|and after"
    r"|(?:at the )?earliest)\b"
)
_BEFORE: Final = re.compile(
    r"\b(?:any ?time )?(?:(?:not|no) (?:(?:any )?later than|after|past)|(?:on|at) or before"
    r"|at the (?:very )?latest(?: (?:at|by))?|latest(?: (?:at|by))?|up (?:to|until)"
    r"|(?<!not )(?:until|till)|by|(?<!not )(?<!no )(?<!any )(?:before|earlier than|sooner than|prior to))"
    rf" {_clock(1)}{_NOT_DATE}(?: at the (?:very )?latest\b| latest\b)?{_END}"
)
_OR_EARLIER: Final = re.compile(
    rf"\b(?:at )?{_clock(1)}{_NOT_DATE},? (?:or (?:earlier|before|sooner)"
    r"|(?:at the (?:very )?)?latest)\b"
)
_AROUND: Final = re.compile(
    rf"\b(?:around|about|roughly|approximately|circa|towards?) {_clock(1)}{_NOT_DATE}{_END}"
)
_ISH: Final = re.compile(rf"\b{_clock(1)} ?-?ish\b")
_AT: Final = re.compile(rf"(?:\bat|@) ?(?:exactly )?{_clock(1)}{_NOT_DATE}{_END}")
_BARE: Final = re.compile(
    r"\b(?:(?P<h1>\d{1,2})(?:[:.](?P<m1>\d{2})(?!\d|\.\d)|(?= ?(?:am|pm|o'clock|h|uhr)\b))"
    r"(?: ?(?P<x1>am\b|pm\b|o'clock|h\b|uhr\b))?|(?P<w1>noon|midday|midnight))(?!\w)"
)

_MINUTES: Final = "05|10|15|20|25|30|35|40|45|50|55"
_SPOKEN: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\b(\d{1,2}) ?h ?([0-5]\d)\b"), r"\1:\2"),
    (re.compile(r"\b(\d{1,2}:\d{2}):\d{2}\b"), r"\1"),
    (re.compile(r"\b(\d{1,2}:\d{2}) ?(?:hours|hrs?)\b"), r"\1 h"),
    (re.compile(r"\b(\d{1,2}) hundred(?: hours| hrs?)?\b"), r"\1:00 h"),
    (re.compile(r"(?<![\d:.])([01]?\d|2[0-3])([0-5]\d) ?(?:h|hrs?|hours?|uhr)\b"), r"\1:\2 h"),
    (re.compile(r"(?<![\d:.])([1-9]|1[0-2])([0-5]\d) ?([ap]m)\b"), r"\1:\2 \3"),
    (
        re.compile(
            r"((?:\bat|\baround|\babout|@|¤,?|\bnoon) {0,3}(?:exactly )?)([01]?\d|2[0-3])([0-5]\d)\b(?![.:/-]?\d)"
        ),
        r"\1\2:\3",
    ),
    (
        re.compile(
            r"(\b(?:by|before|after|until|till|from|between|than) )"
            r"(?!20[2-9]\d)([01]?\d|2[0-3])([0-5]\d)\b(?![.:/-]?\d)"
        ),
        r"\1\2:\3",
    ),
    (
        re.compile(
            r"(:\d{2} ?(?:to|and|or|-|until|till) ?)([01]?\d|2[0-3])([0-5]\d)\b(?![.:/]?\d)"
        ),
        r"\1\2:\3",
    ),
    (re.compile(r"\bhalf (?:past )?(\d{1,2})\b"), r"\1:30"),
    (re.compile(r"\b(?:a )?quarter (?:past|after) (\d{1,2})\b"), r"\1:15"),
    (re.compile(r"\b5 (?:minutes )?past (\d{1,2})\b"), r"\1:05"),
    (re.compile(r"\b(10|20|25) (?:minutes )?past (\d{1,2})\b"), r"\2:\1"),
    (re.compile(r"(?<=\bat )(\d{1,2})-(15|30|45)\b(?!-)"), r"\1:\2"),
    (
        re.compile(
            rf"\b(\d{{1,2}}) ({_MINUTES})\b(?= ?(?:am|pm|$|¤|[,.!?]|on\b|or\b|and\b|at the\b|in the\b|please\b|tomorrow\b))"
        ),
        r"\1:\2",
    ),
)
_TO_HOUR: Final = re.compile(
    r"\b(?:(?:a )?(?P<quarter>quarter)|(?P<minutes>5|10|20|25) minutes|(?P<few>5|20|25)) to (?P<hour>\d{1,2})\b"
)
_OR_AT: Final = re.compile(
    rf"(\bat \d{{1,2}}(?:[:.]\d{{2}})?(?: ?[ap]m)?,? or )(?=\d{{1,2}}(?:[:.]\d{{2}})?\b{_NOT_DATE})"
)
_BETWEEN_EXACT: Final = re.compile(r"\s{0,6}(?:,|or|,? ?or maybe|or (?:rather|perhaps))?\s{0,6}")
_AM_HINT: Final = re.compile(r"\bmornings?\b")
_PM_HINT: Final = re.compile(r"\b(?:afternoons?|evenings?|tonight|at night)\b")


class ClockReader:
    """Reads the times of day in one plain text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._morning, self._later = bool(_AM_HINT.search(text)), bool(_PM_HINT.search(text))
        self._exact: list[time] = []
        self.time_from: time | None = None
        self.time_to: time | None = None
        self.problems: dict[TimeProblem, str] = {}
        """With the words that are one."""
        self.unclear: list[str] = []
        """Times whose relation to each other is unknown, as written."""

    @property
    def at(self) -> time | None:
        return self._exact[0] if len(self._exact) == 1 else None

    @property
    def one_of(self) -> tuple[time, ...]:
        """Several exact times to choose from, ascending."""
        return tuple(sorted(self._exact)) if len(self._exact) > 1 else ()

    def read(self) -> str:
        """The text with :data:`TIME` for each time."""
        text = _TO_HOUR.sub(_to_hour, self._text)
        for pattern, form in _SPOKEN:
            text = pattern.sub(form, text)
        text = _OR_AT.sub(r"\1at ", text)
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
        self._check_exact(text)
        earliest = self.at or self.time_from
        if (earliest and self.time_to and earliest >= self.time_to) or (
            self.at and self.time_from and self.at < self.time_from
        ):
            self._clash()
        return text.replace(_EXACT, TIME)

    def _without_parts(self, text: str) -> str:
        if several := _NOT_PARTS.search(text):
            self.unclear.append(several[0])
            text = _NOT_PARTS.sub(TIME, text)
        for _, pattern, first, before in _PARTS:
            match = pattern.search(text)
            if match is None:
                continue
            text = pattern.sub(TIME, text)
            if match["no"] and first and before:  # not in the afternoon: before or after it
                self.unclear.append(match[0])
                continue
            if match["no"]:
                first, before = before, first  # not in the morning: from noon on
            if first is not None:
                self._from(first)
            if before is not None:
                self._before(before)
        return text

    def _check_exact(self, text: str) -> None:
        """Several exact times must be alternatives: "at 10 or at 3"."""
        gaps = text.split(_EXACT.strip())[1:-1]
        if not self.one_of:
            return
        is_choice = all(_BETWEEN_EXACT.fullmatch(gap) and gap.strip() for gap in gaps)
        if not is_choice or len(self._exact) > CLOCKS_MAX:
            self.unclear.append(
                " and ".join(f"{clock:%H:%M}" for clock in self._exact[:CLOCKS_MAX])
            )

    def _clash(self) -> str:
        self.problems[TimeProblem.CONTRADICTION] = "those times of day"
        return TIME

    def _unreal(self, words: str) -> str:
        self.problems.setdefault(TimeProblem.UNREAL, words.strip())
        return TIME

    def _range(self, match: re.Match[str]) -> str:
        if not any(match[group] for group in ("lead", "x1", "x2", "m1", "m2", "w1", "w2")):
            return match[0]  # two bare numbers need not be times
        if not match["lead"] and not re.search(r"\d ?-|\b(?:to|until|till)\b", match[0]):
            return match[0]  # "10:00 and 11:00"
        first, second = self._clock(match, 1), self._clock(match, 2)
        if first is None or second is None:
            return self._unreal(match[0])
        if match["x2"] and not match["x1"] and match["h1"]:
            first = _same_half(first, second)
        if first >= second:
            return self._clash()
        self._from(first)
        self._before(second)
        return TIME

    def _one(self, use: Callable[[time], None], match: re.Match[str]) -> str:
        clock = self._clock(match, 1)
        if clock is None:
            return self._unreal(match[0])
        use(clock)
        return _EXACT if use == self._exactly else TIME

    def _from(self, clock: time) -> None:
        self.time_from = max(clock, self.time_from or clock)

    def _before(self, clock: time) -> None:
        self.time_to = min(clock, self.time_to or clock)

    def _around(self, clock: time) -> None:
        self._from(plus(clock, -30))
        self._before(plus(clock, 31))

    def _exactly(self, clock: time) -> None:
        if clock not in self._exact:
            self._exact.append(clock)

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
        elif half in (None, "o'clock") and hour <= 12:
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
