"""The words by which a patient is found, and how text becomes words.

A word is a letter for its kind, and a text in the form that is compared: ``nmuller`` of a name,
``p1761234`` of a telephone number, ``r4321671`` of the same number from its end, ``emax@x.org``,
``b1980-03-08``. A patient is found by the beginning of a word.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from actors.domain.contact import national_digits

NAME, PHONE, PHONE_END, EMAIL, BORN = "n", "p", "r", "e", "b"
WHOLE_NAME, AFTER_WHOLE_NAMES = " ", "!"
"""The kind of the name as it is shown, by which lists are sorted, and what sorts after it."""
WHOLE_NAME_MAX_CHARS: Final = 200
WORD_MAX_CHARS: Final = 64
"""Without the letter of the kind. Longer words are cut off, in a query as well."""
NAME_WORDS_MAX: Final = 32
"""Further words of a name are not found."""

_APOSTROPHES: Final = re.compile("['\u2019\u02bc\u00b4`]")
_ASCII_WORD: Final = re.compile("[a-z0-9]+")
_NOT_IN_WORDS: Final = re.compile(r'[\x00-\x20"\\\x7f]')
"""Beside line feeds, what JSON escapes: SQLite splits the joined words as JSON."""
_BASE: Final = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
"""Letters that Unicode does not decompose."""
_SPELT_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
"""How letters are written on a keyboard that lacks them."""
_LETTER_MARKS: Final = frozenset({0, 7, 8, 9})
"""Combining classes of marks that are no accents: vowels of India, voiced sounds of Japan."""


def patient_words(
    name: str, *, email_key: str | None, phone_key: str | None, date_of_birth: date | None
) -> tuple[str, ...]:
    """All words of a patient, sorted; the keys are those of :mod:`actors.domain.contact`.

    The first one is the name itself, which no query begins like.
    """
    words = {f"{NAME}{word}" for word in sorted(name_words(name))[:NAME_WORDS_MAX]}
    if email_key:
        words.add(email_word(email_key))
    if phone_key:
        words.update(_phone_words(phone_key))
    if date_of_birth:
        words.add(f"{BORN}{date_of_birth.isoformat()}")
    whole = " ".join(_NOT_IN_WORDS.sub(" ", name).split())[:WHOLE_NAME_MAX_CHARS]
    return (f"{WHOLE_NAME}{whole}", *sorted(words))


def joined(words: Iterable[str]) -> str:
    """The words as one text, each between line feeds."""
    return "\n".join(("", *words, ""))


def name_words(name: str) -> frozenset[str]:
    """The words of a name without accents and case, in each usual spelling.

    ``Müller`` is ``muller`` and ``mueller``, ``O'Brien`` is ``o``, ``brien`` and ``obrien``.
    """
    whole = _APOSTROPHES.sub("", name)
    words = {spelling for word in words_of(name) for spelling in spellings(word)}
    if whole != name:
        words.update(spelling for word in words_of(whole) for spelling in spellings(word))
    return frozenset(words)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, with their accents: runs of letters and digits."""
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    return tuple("".join(char if _in_word(char) else " " for char in folded).split())


def spellings(word: str) -> tuple[str, ...]:
    """A word without accents; further with its umlauts spelt out, if it has some."""
    if word.isascii():
        return (word[:WORD_MAX_CHARS],)
    both = (_bare(word), _bare(word.translate(_SPELT_OUT)))
    return tuple(dict.fromkeys(spelling[:WORD_MAX_CHARS] for spelling in both))


def email_word(text: str) -> str:
    """The word of the key of an e-mail address, or of its beginning."""
    return f"{EMAIL}{_NOT_IN_WORDS.sub('', text)[:WORD_MAX_CHARS]}"


def _phone_words(key: str) -> Iterator[str]:
    """By the number with its country, by the number in its country, and by its end."""
    digits = key.lstrip("+")
    for form in filter(None, (digits.lstrip("0"), national_digits(key))):
        yield f"{PHONE}{form[:WORD_MAX_CHARS]}"
    yield f"{PHONE_END}{digits[::-1][:WORD_MAX_CHARS]}"


def _bare(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word.translate(_BASE))
    kept = (char for char in decomposed if unicodedata.combining(char) in _LETTER_MARKS)
    return unicodedata.normalize("NFC", "".join(kept))


def _in_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"
