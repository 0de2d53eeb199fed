"""Parameters of statements, in the text and binary formats of PostgreSQL.

Statements say which type a parameter has (``$1::BIGINT``, ``$2::VARCHAR[]``), and a value is
encoded for it; one without a type is text. psycopg converts value by value: an array of 64 texts
takes it 130 us, and 8 us here (``tests/benchmarks/bench_pipeline.py``).
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from struct import Struct
from typing import Any

from psycopg import DataError
from psycopg.pq import Format

_PARAMETER = re.compile(r"\$(\d+)(?:::(TIMESTAMP WITH TIME ZONE|[A-Z]+)(\[\])?)?")
_BYTEA_OID = 17
_ARRAY_HEAD = Struct("!iiIii")  # dimensions, has nulls, type of the items, length, first index
_LENGTH = Struct("!i")

_Encode = Callable[[Any], bytes | None]


class Encoder:
    """The encoding of each parameter of one statement."""

    def __init__(self, sql: str) -> None:
        kinds = {int(n): (kind, bool(array)) for n, kind, array in _PARAMETER.findall(sql)}
        assert sorted(kinds) == list(range(1, len(kinds) + 1)), "parameters are numbered"
        ordered = [kinds[n] for n in sorted(kinds)]
        self.formats = [Format.BINARY if kind == "BYTEA" else Format.TEXT for kind, _ in ordered]
        self._encoders = [_array(kind) if array else _scalar(kind) for kind, array in ordered]

    def __call__(self, values: Sequence[object]) -> list[bytes | None]:
        """Raises DataError for a text that PostgreSQL cannot hold."""
        return [encode(value) for encode, value in zip(self._encoders, values, strict=True)]


encoder_of = cache(Encoder)
"""By the text of the statement; there are few."""


def _instant(value: datetime) -> str:
    assert value.tzinfo is not None, "instants are aware"
    return value.isoformat()


_TEXTS = frozenset({"", "TEXT", "VARCHAR"})
"""Only texts stand in a statement without a type."""
_AS_TEXT: dict[str, Callable[[Any], str]] = {
    "BIGINT": str,
    "INTEGER": str,
    "FLOAT": repr,
    "BOOLEAN": str,
    "TIMESTAMP WITH TIME ZONE": _instant,
}


def _scalar(kind: str) -> _Encode:
    if kind == "BYTEA":
        return lambda value: value
    as_text = str if kind in _TEXTS else _AS_TEXT[kind]
    return lambda value: None if value is None else _encoded(as_text(value))


def _array(kind: str) -> _Encode:
    if kind == "BYTEA":
        return _bytes_array
    as_text: Callable[[Any], str] = _quoted if kind in _TEXTS else _AS_TEXT[kind]

    def encode(values: Sequence[object]) -> bytes:
        items = ",".join(["NULL" if value is None else as_text(value) for value in values])
        return _encoded(f"{{{items}}}")

    return encode


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _encoded(text: str) -> bytes:
    if "\0" in text:  # it would end the value
        raise DataError("PostgreSQL text cannot contain NUL")
    return text.encode()


def _bytes_array(values: Sequence[bytes | None]) -> bytes:
    parts = [_ARRAY_HEAD.pack(1, None in values, _BYTEA_OID, len(values), 1)]
    for value in values:
        parts += (_LENGTH.pack(-1),) if value is None else (_LENGTH.pack(len(value)), value)
    return b"".join(parts)
