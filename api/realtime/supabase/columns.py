"""The columns of the table ``appointments`` as Supabase clients see it, and their values; pure.

Values are read as PostgreSQL reads them, in time zone UTC. Ids are text, as in the database, but
a UUID in capitals is compared in the form in which the hub writes it.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from actors.domain.ids import parse_id

SCHEMA: Final = "public"
TABLE: Final = "appointments"
COLUMNS: Final[Mapping[str, str]] = {
    "id": "text",
    "dentist_id": "text",
    "patient_id": "text",
    "appointment_type_id": "text",
    "start": "timestamptz",
    "end": "timestamptz",
    "status": "text",
    "version": "int4",
    "overbooked": "bool",
    "created_via": "text",
    "notes": "text",
    "cancel_reason": "text",
    "patient_confirmed_at": "timestamptz",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "expires_at": "timestamptz",
    "patient": "jsonb",
    "dentist": "jsonb",
}
"""The PostgreSQL type of each field of a ``record``; ids are text, as in the database."""

Row = Mapping[str, object]

_IDS: Final = frozenset({"id", "dentist_id", "patient_id", "appointment_type_id"})
_INT4: Final = range(-(2**31), 2**31)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})"
    r"(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")


class InvalidFilter(Exception):
    """The filter is not valid; the text is the reason."""


def read_value(column: str, text: str) -> Any:
    """The value of a filter, to be compared with :func:`row_value`; raises InvalidFilter."""
    value: object
    column_type = COLUMNS[column]
    match column_type:
        case "text":
            value = (parse_id(text.strip()) if column in _IDS else None) or text
        case "bool":
            value = _boolean(text)
        case "int4":
            value = _integer(text)
        case _:
            value = _instant(text)
    if value is None:
        raise InvalidFilter(f"{text[:40]!r} is not of the type {column_type} of {column}")
    return value


def row_value(column: str, row: Row) -> Any:
    """The value of a row, ``None`` for null."""
    value = row.get(column)
    if COLUMNS[column] == "timestamptz" and isinstance(value, str):
        return _instant(value)
    return value


def _boolean(text: str) -> bool | None:
    """Any unambiguous beginning of a word, as ``t`` or ``of``, in any case."""
    word = text.strip().lower()
    if not word or word == "o":
        return None
    if any(each.startswith(word) for each in _TRUE):
        return True
    return False if any(each.startswith(word) for each in _FALSE) else None


def _integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text.strip()):
        return None
    number = int(text)
    return number if number in _INT4 else None


def _instant(text: str) -> datetime | None:
    """ISO 8601; without an offset it is UTC, without a time midnight."""
    found = _INSTANT.fullmatch(text.strip().upper())
    if found is None:
        return None
    day, time, offset = found.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time or '00:00'}{offset or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
