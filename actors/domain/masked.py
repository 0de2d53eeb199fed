"""Names and contact data that are shown only in part: to check them, not to learn them."""

from typing import Final

_REST: Final = "•••"
_DIGITS_SHOWN: Final = 2


def masked_name(name: str) -> str:
    """The first word, and initials: ``Anna M.``"""
    first, *rest = name.split()[:4] or [""]
    return " ".join((first, *(f"{word[0]}." for word in rest)))


def masked_email(email: str) -> str:
    """``a•••@e•••.org``"""
    local, _, domain = email.rpartition("@")
    host, dot, top = domain.rpartition(".")
    return f"{local[:1]}{_REST}@{host[:1]}{_REST}{dot}{top}"


def masked_phone(phone: str) -> str:
    """The last digits: ``••• 67``"""
    digits = "".join(char for char in phone if char.isdigit())
    return f"{_REST} {digits[-_DIGITS_SHOWN:]}"
