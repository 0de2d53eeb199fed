"""The format of a logical dump: JSON lines, the same for every engine.

A dump is a header (schema revision, tables, columns, counts), a line ``[table, value, ...]`` for
each row, and a footer (counts, and the SHA-256 of the row lines). Instants are ISO 8601 in UTC
with microseconds, bytes are base64. Referenced tables come first, and rows are ordered by key,
so the same content has the same lines and the same checksum.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, LargeBinary, Select, Table, select

from store.sql.schema import messages, metadata, profiles
from store.sql.types import Instant

FORMAT = 1
LINE_BYTES_MAX = 64 * 1024 * 1024
"""Longer than any row can be; it limits the memory that a file that is no dump takes."""

Progress = Callable[[str, int, int], None]
"""Called with a table, the number of rows done of all tables, and of all rows."""


class UnusableDump(Exception):
    """The file is no dump, is damaged, or does not fit; the message says which."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    schema: str
    sealed: bool
    """Its source accepts no more writes, so positions in its channels stay valid."""
    rows: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]
    exported_at: datetime

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def encode(self) -> bytes:
        return _line(
            {
                "chairside_dump": FORMAT,
                "schema": self.schema,
                "sealed": self.sealed,
                "exported_at": _instant(self.exported_at),
                "tables": {
                    name: {"rows": count, "columns": self.columns[name]}
                    for name, count in self.rows.items()
                },
            }
        )

    @classmethod
    def decode(cls, line: bytes) -> "Header":
        """Raises :class:`UnusableDump`."""
        try:
            content = orjson.loads(line)
            if content["chairside_dump"] != FORMAT:
                raise UnusableDump("the dump was made by another version of Chairside")
            tables = content["tables"]
            return cls(
                schema=content["schema"],
                sealed=content["sealed"],
                rows={name: int(table["rows"]) for name, table in tables.items()},
                columns={name: table["columns"] for name, table in tables.items()},
                exported_at=datetime.fromisoformat(content["exported_at"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnusableDump("this is not a dump that `chairside export` wrote") from error


@dataclass(slots=True)
class Tally:
    """Counts the rows of a dump and their checksum, while it is written or read."""

    rows: dict[str, int] = field(default_factory=dict)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, table: str, line: bytes) -> None:
        self.rows[table] = self.rows.get(table, 0) + 1
        self._digest.update(line)

    def footer(self) -> bytes:
        return _line({"end": True, "rows": self.rows, "sha256": self.sha256})


TABLES: Sequence[Table] = [
    table for table in metadata.sorted_tables if table.info.get("dumped", True)
]


def rows_of(table: Table) -> Select[Any]:
    """What is dumped of a table: all rows, but no codes or invitations, which are secret."""
    query = select(*table.columns)
    return query.where(messages.c.appointment_id.is_not(None)) if table is messages else query


def columns_of(table: Table) -> list[str]:
    return [str(column.name) for column in table.columns]


def order_of(table: Table, dialect: str) -> list[ColumnElement[Any]]:
    """By key; profiles that are referenced by others first."""
    key = [_by_code_point(column, dialect) for column in table.primary_key.columns]
    return [profiles.c.created_by.is_not(None), *key] if table is profiles else key


def _by_code_point(column: Column[Any], dialect: str) -> ColumnElement[Any]:
    """As SQLite sorts by default."""
    is_text = column.type.python_type is str
    return column.collate("C") if is_text and dialect == "postgresql" else column


def encode_row(table: Table, row: Iterable[object]) -> bytes:
    values = [_encoded(column, value) for column, value in zip(table.columns, row, strict=True)]
    return _line([str(table.name), *values])


def decode_row(table: Table, values: Iterable[object]) -> dict[str, object]:
    """Raises :class:`UnusableDump`."""
    try:
        return {
            column.name: _decoded(column, value)
            for column, value in zip(table.columns, values, strict=True)
        }
    except (ValueError, TypeError) as error:
        raise UnusableDump(f"a row of {table.name} cannot be read") from error


def _encoded(column: Column[Any], value: Any) -> object:
    if value is None:
        return None
    if isinstance(column.type, Instant):
        return _instant(value)
    if isinstance(column.type, LargeBinary):
        return base64.b64encode(value).decode()
    return value


def _decoded(column: Column[Any], value: Any) -> object:
    if value is None:
        return None
    if isinstance(column.type, Instant):
        return datetime.fromisoformat(value)
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(value, validate=True)
    return value


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _line(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
