"""The meaning of a cell: text, a date of birth, yes or no. No text becomes a formula."""

import re
from datetime import date
from typing import Final

from actors.domain.contact import with_country_code
from actors.domain.dates import is_month_first

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""Also the full-width forms of the signs, which some spreadsheets take for them."""
_UNESCAPED: Final = re.compile(r"'+[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_BREAKS: Final = re.compile(r"[\t\r\n]+")
_YEAR_FIRST: Final = re.compile(r"(\d{4})([-/.]?)(\d{2})\2(\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
_YEAR_LAST: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?: 0{1,2}:00(?::00)?)?")
_YES: Final = frozenset({"yes", "y", "true", "1", "x", "ja", "j", "wahr"})
_NO: Final = frozenset({"no", "n", "false", "0", "nein", "falsch"})
_LANGUAGES: Final = {"german": "de", "deutsch": "de", "english": "en", "englisch": "en"}


class UnreadableCell(ValueError):
    """A cell that cannot be read; the message is for the report."""


def escaped(text: str) -> str:
    """Text that no spreadsheet takes for a formula; :func:`line` restores it."""
    return f"'{text}" if _FORMULA.match(text) else text


def line(cell: str) -> str:
    """The text of a cell in one line, unescaped."""
    text = _BREAKS.sub(" ", cell).strip()
    return text[1:] if _UNESCAPED.match(text) else text


def birth_date(text: str, region: str) -> str:
    """The date in ISO 8601. Raises UnreadableCell."""
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day = found.groups()
    elif found := _YEAR_LAST.fullmatch(text):
        first, separator, second, year = found.groups()
        month_first = separator != "." and is_month_first(int(first), int(second), region)
        if month_first is None:
            raise UnreadableCell("day or month? The region does not tell: write 1980-03-08")
        month, day = (first, second) if month_first else (second, first)
    else:
        raise UnreadableCell("must be a date like 1980-03-08 or 08.03.1980")
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        raise UnreadableCell("there is no such date") from None


def phone_number(text: str, region: str) -> str:
    """The number with its country code, where the region tells it. Raises UnreadableCell."""
    if not region and "+" not in text:
        raise UnreadableCell("needs a country code like +43, because the practice has no region")
    return with_country_code(text, region)


def yes_or_no(text: str) -> bool:
    """Raises UnreadableCell."""
    word = text.casefold()
    if word not in _YES | _NO:
        raise UnreadableCell("must be yes or no")
    return word in _YES


def language(text: str) -> str:
    """A tag; the name of a language as its tag."""
    return _LANGUAGES.get(text.casefold(), text)
