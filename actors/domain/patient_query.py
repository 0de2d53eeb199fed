"""What someone types to find a patient, as terms that must all hold.

A term holds for a patient if one of the patient's words (:mod:`~actors.domain.patient_words`)
begins with one of its beginnings. Work on a text is linear in its length.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Final, Self

from actors.domain.contact import dialled_beginnings, email_key
from actors.domain.dates import is_month_first
from actors.domain.patient_words import (
    BORN,
    NAME,
    PHONE,
    PHONE_END,
    WORD_MAX_CHARS,
    email_word,
    spellings,
    words_of,
)
from actors.domain.values import value

TERMS_MAX: Final = 10
"""Further ones are not looked at."""
DIGITS_MIN: Final = 3
"""Of the beginning of a telephone number."""
LAST_DIGITS_MIN: Final = 4
_TEXT_MAX_CHARS: Final = 200

_NUMERIC: Final = re.compile(r"(?=.*[0-9])\+?[0-9()./\u2010-\u2015-]+", re.ASCII)
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-./]([0-9]{1,2})[-./]([0-9]{1,2})", re.ASCII)
_YEAR_LAST: Final = re.compile(r"([0-9]{1,2})([-./])([0-9]{1,2})\2([0-9]{4})", re.ASCII)
_LIKE_EMAIL: Final = re.compile("[@._+0-9]")


@value
class Term:
    beginnings: tuple[str, ...]
    """Of words; one of them must fit."""

    def holds(self, words: Iterable[str]) -> bool:
        """Whether it holds for the patient with these words."""
        return any(word.startswith(self.beginnings) for word in words)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that may be the beginning, or the whole, of a word of the name."""
        return tuple(each for each in self.beginnings if each[0] == NAME)

    @property
    def is_of_name(self) -> bool:
        """Whether it can hold for nothing but the name."""
        return len(self.names) == len(self.beginnings)


@value
class PatientQuery:
    terms: tuple[Term, ...]
    """None of them: the text has nothing that could be looked for."""

    @classmethod
    def of(cls, text: str, region: str = "") -> Self:
        """``region`` (ISO 3166) decides about national numbers, and about day and month."""
        found = [
            term
            for numeric, tokens in groupby(text[:_TEXT_MAX_CHARS].split(), _is_numeric)
            for term in (_numbers(tokens, region) if numeric else _words(tokens))
        ]
        return cls(terms=tuple(dict.fromkeys(found))[:TERMS_MAX])

    @property
    def of_names(self) -> Sequence[Term]:
        """The terms that can hold for nothing but the name."""
        return [term for term in self.terms if term.is_of_name]

    def rank(self, name: str, whole: bool) -> int:
        """How well a patient fits for whom all terms hold; the smallest is the best.

        ``whole``: whether each term of ``of_names`` is a word of the name. 0: the whole name was
        typed, 1: what was typed are whole words of it, 2: parts.
        """
        if not whole:
            return 2
        if len(name.split()) > len(self.terms):
            return 1
        typed = {each[1:] for term in self.terms for each in term.names}
        return 0 if all(typed.intersection(spellings(word)) for word in words_of(name)) else 1


def _is_numeric(token: str) -> bool:
    return _NUMERIC.fullmatch(token) is not None


def _words(tokens: Iterator[str]) -> Iterator[Term]:
    for token in tokens:
        email = (
            (email_word(email_key(token) or token.lower()),) if _LIKE_EMAIL.search(token) else ()
        )
        if "@" in token:
            yield Term(beginnings=email)
            continue
        for word in words_of(token):
            yield Term(beginnings=(*(f"{NAME}{each}" for each in spellings(word)), *email))


def _numbers(tokens: Iterator[str], region: str) -> Iterator[Term]:
    """Dates, and what is between them: a telephone number in several parts, or words."""
    for day, pieces in groupby(tokens, lambda token: _date(token, region)):
        parts = list(pieces)
        if day := day or _date("".join(parts), region):
            yield Term(beginnings=(f"{BORN}{day.isoformat()}",))
            continue
        phone = _phone("".join(parts), region)
        if len(parts) > 1 and phone:
            yield Term(beginnings=phone)
            continue
        for part in parts:
            for word in words_of(part):
                yield Term(beginnings=(f"{NAME}{word[:WORD_MAX_CHARS]}", *phone))


def _phone(text: str, region: str) -> tuple[str, ...]:
    digits = "".join(filter(str.isdecimal, text))
    begins = [
        f"{PHONE}{each[:WORD_MAX_CHARS]}"
        for each in dialled_beginnings(text, region)
        if len(each) >= DIGITS_MIN
    ]
    if len(digits) >= LAST_DIGITS_MIN and "+" not in text:
        begins.append(f"{PHONE_END}{digits[::-1][:WORD_MAX_CHARS]}")
    return tuple(begins)


def _date(token: str, region: str) -> date | None:
    """The date that a text is; an impossible one is none."""
    if found := _YEAR_FIRST.fullmatch(token):
        year, month, day = found.groups()
    elif found := _YEAR_LAST.fullmatch(token):
        first, separator, second, year = found.groups()
        month_first = separator != "." and is_month_first(int(first), int(second), region)
        month, day = (first, second) if month_first else (second, first)
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
