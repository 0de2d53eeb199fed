"""Text that people and programs enter: one rule for every interface.

A *line* (a name, a description) has no control characters and no line separators. A *note* may
have several lines, which end with a line feed whatever the client sent. A *name* is a line that
can be seen, and that reads in the order in which it is written.
"""

import re
import unicodedata
from typing import Final

_LINE_ENDS: Final = re.compile("\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
"""All that ``str.splitlines`` and browsers take for the end of a line."""
NOT_IN_LINES: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff"
NOT_IN_NOTES: Final = r"\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ufffe\uffff"
"""Before the ends of lines are replaced. Both are contents of a class of regular expressions;
JSON contains no lone surrogates."""
_CONTROL: Final = re.compile(f"[{NOT_IN_LINES}\ud800-\udfff]")
"""With lone surrogates and noncharacters, which no database stores."""
_CONTROL_BUT_LINES: Final = re.compile("(?![\t\n])" + _CONTROL.pattern)

_VISIBLE: Final = frozenset("LNPS")
"""First letters of the general categories that show something."""
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and symbols without a shape: fillers of Hangul, the empty Braille pattern."""
_IGNORABLE: Final = re.compile(
    "[\u034f\u17b4\u17b5\u180b-\u180f\u2065\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""Code points that programs show nothing for (Default_Ignorable), whatever their category."""
_SELECTED: Final = frozenset({"CJK", "MONGOLIAN", "MYANMAR", "PHAGS-PA"})
"""Scripts whose letters have variants, which such a code point behind the letter selects."""
_VIRAMA: Final = 9
"""The combining class of the sign that silences a vowel; a joiner may end the word behind it."""
_JOINERS: Final = frozenset("\u200c\u200d")
_VISIBLE_FORMATS: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")
"""Signs of Arabic and Syriac that have a shape, although their category is Cf."""
_JOINING_SCRIPTS: Final = frozenset(
    {"ARABIC", "SYRIAC", "NKO", "MANDAIC", "MONGOLIAN", "PHAGS-PA", "ADLAM", "HANIFI"}
    | {"DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA"}
    | {"MALAYALAM", "SINHALA", "KHMER", "MYANMAR", "TIBETAN", "BALINESE", "JAVANESE", "TAI"}
)
"""Scripts in which a (non-)joiner inside a word selects the form of its letters."""


def with_line_feeds(text: str) -> str:
    """The text with a line feed for each end of a line."""
    return _LINE_ENDS.sub("\n", text)


def without_accents(text: str) -> str:
    """The text in small letters without accents, to be compared: ``müller`` as ``muller``."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def is_line(text: str) -> bool:
    """Whether there is neither a control character nor the end of a line."""
    return _CONTROL.search(text) is None


def is_note(text: str) -> bool:
    """Like a line, but with line feeds and tabs."""
    return _CONTROL_BUT_LINES.search(text) is None


def is_name(text: str) -> bool:
    """A line with something to see, and nothing that hides or changes the direction."""
    return is_line(text) and _seen(text) == text and _has_shape(text)


def name_in(text: str) -> str | None:
    """The name in a text of a program: its invisible characters are dropped, not refused."""
    name = _seen(_CONTROL.sub("", text)).strip()
    return name if _has_shape(name) else None


def _seen(text: str) -> str:
    """Without characters that are invisible or change the direction."""
    if text.isascii():
        return text
    around = f" {text} "
    return "".join(char for at, char in enumerate(text, 1) if _is_seen(char, around, at))


def _is_seen(char: str, text: str, at: int) -> bool:
    """``char`` is ``text[at]``, with a neighbour on either side."""
    before = text[at - 1]
    if char in _JOINERS:
        return _joins(before) and (_joins(text[at + 1]) or unicodedata.combining(before) == _VIRAMA)
    if _IGNORABLE.match(char):
        return _script(before) in _SELECTED or unicodedata.category(before)[0] == "S"
    if unicodedata.category(char) == "Cf":
        return char in _VISIBLE_FORMATS
    return char not in _BLANK


def _joins(char: str) -> bool:
    return _script(char) in _JOINING_SCRIPTS


def _script(char: str) -> str:
    """The first word of its name, e.g. ``ARABIC``."""
    return unicodedata.name(char, "").partition(" ")[0]


def _has_shape(text: str) -> bool:
    return any(unicodedata.category(char)[0] in _VISIBLE and char not in _BLANK for char in text)
