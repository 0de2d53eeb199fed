"""Typed text in one form: small letters, plain punctuation, digits for numbers."""

import re
from typing import Final
from unicodedata import category, normalize

from chairside.chatbot.understanding.numerals import with_digits

MESSAGE_MAX_CHARS: Final = 1_000
"""Longer messages are not understood, but answered."""

# The first ones are marks of the patterns here, so they are removed from what is typed.
_MARKS: Final = str.maketrans("⟦⟧¤¢€§’‘`´“”–—−", "      ''''\"\"---")
_POSSESSIVE: Final = re.compile(
    r"\b((?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tonight|tomorrow|week|weekend|month"
    r"|morning|afternoon|evening)'s\b"
)


def is_too_long(text: str) -> bool:
    """Whether :func:`readable` or :func:`plain` cuts the text, or makes it long."""
    shown = readable(text, MESSAGE_MAX_CHARS + 1)
    return (
        len(text) > 4 * MESSAGE_MAX_CHARS
        or len(shown) > MESSAGE_MAX_CHARS
        or len(plain(text)) > MESSAGE_MAX_CHARS
    )


def readable(text: str, limit: int = MESSAGE_MAX_CHARS) -> str:
    """``text`` without control characters and escapes, on one line, of bounded length."""
    kept = (each for each in text[: 4 * limit] if each.isspace() or category(each)[0] != "C")
    return " ".join("".join(kept).split())[:limit].strip()


def plain(text: str) -> str:
    """``text`` as the patterns know it; idempotent."""
    folded = normalize("NFKC", readable(text))[: 2 * MESSAGE_MAX_CHARS].translate(_MARKS).lower()
    folded = re.sub(r"\ba\.m\b\.?", "am", re.sub(r"\bp\.m\b\.?", "pm", folded))
    folded = re.sub(r"\bo'? ?clock\b", "o'clock", folded)
    folded = _POSSESSIVE.sub(r"\1", folded)
    return " ".join(with_digits(folded).split())
