"""Typed text in one form: small letters, plain punctuation, digits for numbers."""

import re
from typing import Final
from unicodedata import category, normalize

MESSAGE_MAX_CHARS: Final = 1_000
"""Longer messages are cut before they are understood."""

# The first three are marks of the patterns here, so they are removed from what is typed.
_MARKS: Final = str.maketrans("⟦⟧¤’‘`´“”–—−", "   ''''\"\"---")

_CARDINALS: Final = (  # without "one": "the later one" is not a number
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_NUMBERS: Final = {word: str(number) for number, word in enumerate(_CARDINALS, start=2)} | {
    "thirty": "30",
    "forty": "40",
    "forty-five": "45",
    "fifty": "50",
}

_TO_NINTH: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
)  # fmt: skip
_TO_TWENTIETH: Final = (
    *_TO_NINTH, "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
    "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip
_ORDINALS: Final = (
    {word: number for number, word in enumerate(_TO_TWENTIETH, start=1)}
    | {f"twenty-{word}": number for number, word in enumerate(_TO_NINTH, start=21)}
    | {"thirtieth": 30, "thirty-first": 31}
)

MONTHS: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)

_NUMBER_WORD: Final = re.compile(
    r"\b(" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + r")\b"
)
_ORDINAL: Final = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_ORDINAL_DATE: Final = re.compile(
    rf"\b(?P<word>{_ORDINAL})(?= (?:of )?(?:{MONTHS}|next month|this month|the month))"
    rf"|(?<=\bon the )(?P<on>{_ORDINAL})\b(?! (?:one|monday|tuesday|wednesday|thursday|friday))"
)
_MONTH_ORDINAL: Final = re.compile(rf"\b(?P<month>{MONTHS}) (?:the )?(?P<word>{_ORDINAL})\b")
_ONE: Final = re.compile(
    r"(?<=\bat )one\b|(?<=\bafter )one\b|(?<=\bbefore )one\b|(?<=\bpast )one\b|(?<=\bby )one\b"
    r"|(?<=\bin )one\b|(?<=\bbetween )one\b"
    r"|\bone(?= (?:o'clock|pm|am|weeks?\b|days?\b|months?\b))"
)


def readable(text: str, limit: int = MESSAGE_MAX_CHARS) -> str:
    """``text`` without control characters and escapes, on one line, of bounded length."""
    kept = (each for each in text[: 4 * limit] if each.isspace() or category(each)[0] != "C")
    return " ".join("".join(kept).split())[:limit].strip()


def plain(text: str) -> str:
    """``text`` as the patterns know it; idempotent."""
    folded = normalize("NFKC", readable(text)).translate(_MARKS).lower()
    folded = re.sub(r"\ba\.m\b\.?", "am", re.sub(r"\bp\.m\b\.?", "pm", folded))
    folded = re.sub(r"\bo'? ?clock\b", "o'clock", folded)
    folded = _ORDINAL_DATE.sub(lambda found: _nth(found["word"] or found["on"]), folded)
    folded = _MONTH_ORDINAL.sub(lambda found: f"{found['month']} {_nth(found['word'])}", folded)
    folded = _NUMBER_WORD.sub(lambda found: _NUMBERS[found[1]], folded)
    folded = _ONE.sub("1", folded)
    return " ".join(folded.split())


def _nth(word: str) -> str:
    number = _ORDINALS[word]
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number not in (11, 12, 13) else 0, "th")
    return f"{number}{suffix}"
