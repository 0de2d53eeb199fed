"""Numbers, ordinals and misspelt days as the patterns know them: "twenty first" is "21st"."""

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

MONTHS: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)

_UNITS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS: Final = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_NUMBERS: Final = (  # without "one": "the later one" is not a number
    {word: number for number, word in enumerate((*_UNITS, *_TEENS), start=1) if number > 1} | _TENS
)
_TO_NINTH: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
)  # fmt: skip
_ORDINALS: Final = {
    word: number
    for number, word in enumerate(
        (
            *_TO_NINTH, "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
            "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
        ),
        start=1,
    )
} | {"thirtieth": 30}  # fmt: skip


def _any(words: object) -> str:
    assert isinstance(words, tuple | dict), "words, or their numbers"
    return "|".join(sorted(words, key=len, reverse=True))


_COMPOUND: Final = re.compile(
    rf"\b(?P<ten>{_any(_TENS)})(?:-| )?(?:(?P<nth>{_any(_TO_NINTH)})|(?P<unit>{_any(_UNITS)}))\b"
)
_FEW: Final = "first|second|third|fourth|fifth"
"""May be the number of an offer, so they stay words unless a month or a date stands beside."""
_LATER_ORDINAL: Final = re.compile(
    rf"\b(?!(?:{_FEW})\b)(?P<word>{_any(_ORDINALS)})\b(?! (?:week|month|time|visit))"
)
_FEW_DATE: Final = re.compile(
    rf"\b(?P<word>{_FEW})(?= (?:day )?(?:of )?(?:{MONTHS}|next month|this month|the month))"
    rf"|(?<=\bon the )(?P<on>{_FEW})\b(?! (?:one|of|week|mon|tue|wed|thu|fri|sat|sun))"
)
_MONTH_FEW: Final = re.compile(rf"\b(?P<month>{MONTHS}) (?:the )?(?P<word>{_FEW})\b")
_NUMBER: Final = re.compile(rf"\b(?:{_any(_NUMBERS)})\b")
_ONE: Final = re.compile(
    r"(?<=\bat )one\b|(?<=\bafter )one\b|(?<=\bbefore )one\b|(?<=\bpast )one\b|(?<=\bby )one\b"
    r"|(?<=\bin )one\b|(?<=\bbetween )one\b|(?<=\bthan )one\b|(?<=\buntil )one\b|(?<=\btill )one\b"
    r"|(?<=\bfrom )one\b|(?<=\bquarter to )one\b|(?<=\bhalf )one\b"
    r"|\bone(?= (?:o'clock|pm|am|weeks?\b|days?\b|months?\b|hours?\b|thirty|fifteen|forty|30|15|45))"
)
_TYPED: Final = tuple(
    (re.compile(pattern), meant)
    for pattern, meant in (
        (r"\b(?:2morrow|2moro|2mro|tomoro|tomorow|tommorow|tommorrow|tomoz|tmrw|tmr|tmw)\b", "tomorrow"),
        (r"\b2day\b", "today"),
        (r"\b(?:2night|2nite|tonite)\b", "tonight"),
        (r"\b(?:do n'?t|donot|don not)\b", "do not"),
        (r"\bw/c\b", "week commencing"),
        (r"\bw/e\b", "week ending"),
        (r"\bb4\b", "before"),
        (r"\b2 (?=(?:book|cancel|move|see|come|get|make|change|have|reschedule)\b)", "to "),
        (r"\b4 (?=(?:next|my|a|an|the|me|tomorrow|today|this)\b)", "for "),
    )
)  # fmt: skip

_DAY_NAMES: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january",
    "february", "march", "april", "august", "september", "october", "november", "december",
    "tomorrow", "weekend",
)  # fmt: skip
_MAYBE_DAY: Final = re.compile(r"\b[adfjmnostw][a-z]{5,9}\b")
_LIKE_A_DAY: Final = 0.82


def with_digits(text: str) -> str:
    """``text``, in small letters, with digits for its numbers and ordinals as "21st"."""
    for pattern, meant in _TYPED:
        text = pattern.sub(meant, text)
    text = _COMPOUND.sub(_compound, text)
    text = _FEW_DATE.sub(lambda found: nth(_ORDINALS[found["word"] or found["on"]]), text)
    text = _MONTH_FEW.sub(lambda found: f"{found['month']} {nth(_ORDINALS[found['word']])}", text)
    text = _LATER_ORDINAL.sub(lambda found: nth(_ORDINALS[found["word"]]), text)
    text = _ONE.sub("1", text)
    return _NUMBER.sub(lambda found: str(_NUMBERS[found[0]]), text)


def with_days_spelt(text: str) -> str:
    """``text`` with "wensday" as "wednesday"; it must not contain names of people any more."""
    return _MAYBE_DAY.sub(lambda found: _spelt(found[0]), text)


def _compound(match: re.Match[str]) -> str:
    ten = _TENS[match["ten"]]
    if match["nth"]:
        return nth(ten + _ORDINALS[match["nth"]])
    return str(ten + 1 + _UNITS.index(match["unit"]))


def nth(number: int) -> str:
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number not in (11, 12, 13) else 0, "th")
    return f"{number}{suffix}"


@lru_cache(maxsize=2_048)
def _spelt(word: str) -> str:
    """The day or month that a misspelt word of some length resembles; else the word."""
    bare = word.removesuffix("s")
    if bare in _DAY_NAMES:
        return word
    for name in _DAY_NAMES:
        if name[0] == word[0] and abs(len(name) - len(word)) <= 2:
            likeness = SequenceMatcher(None, word, name)
            if likeness.real_quick_ratio() > _LIKE_A_DAY and likeness.ratio() >= _LIKE_A_DAY:
                return name
    return word
