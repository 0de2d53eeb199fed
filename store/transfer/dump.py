"""The form of a logical dump: JSON lines, the same whichever engine wrote them.

A header (schema revision, tables, columns, counts), one line ``[table, value, …]`` for each
row, a footer (counts, and the SHA-256 of the row lines). Instants are ISO 8601 in UTC with
microseconds, bytes are base64. Rows come by table, those that are referred to first, and by
key: the same content gives the same lines and the same checksum.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Column, LargeBinary, Table

from store.sql.schema import metadata, profiles
from store.sql.types import Instant

FORMAT = 1
LINE_BYTES_MAX = 64 * 1024 * 1024
"""Longer than any row can be; so that a file that is no dump fills no memory."""

Progress = Callable[[str, int, int], None]
"""Which table, how many rows are done of all tables, and how many there are."""


class UnusableDump(Exception):
    """The file is no dump, is damaged, or does not fit; the text says which."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    schema: str
    sealed: bool
    """Its source takes no more writes, so positions in its channels stay true."""
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
            said = orjson.loads(line)
            if said["chairside_dump"] != FORMAT:
                raise UnusableDump("the dump was made by another version of Chairside")
            tables = said["tables"]
            return cls(
                schema=said["schema"],
                sealed=said["sealed"],
                rows={name: int(table["rows"]) for name, table in tables.items()},
                columns={name: table["columns"] for name, table in tables.items()},
                exported_at=datetime.fromisoformat(said["exported_at"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnusableDump("this is not a dump that `chairside export` wrote") from error


@dataclass(slots=True)
class Tally:
    """What went by: counts and checksum, the same for who writes and for who reads."""

    rows: dict[str, int] = field(default_factory=dict)
    _digest: Any = field(default_factory=hashlib.sha256)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    @property
    def sha256(self) -> str:
        digest: str = self._digest.hexdigest()
        return digest

    def add(self, table: str, line: bytes) -> None:
        self.rows[table] = self.rows.get(table, 0) + 1
        self._digest.update(line)

    def footer(self) -> bytes:
        return _line({"end": True, "rows": self.rows, "sha256": self.sha256})


TABLES: Sequence[Table] = [
    table for table in metadata.sorted_tables if table.info.get("dumped", True)
]


def columns_of(table: Table) -> list[str]:
    return [str(column.name) for column in table.columns]


def order_of(table: Table, dialect: str) -> list[Any]:
    """By key; and of profiles, those first that others were entered by."""
    key: list[Any] = [_by_code_point(column, dialect) for column in table.primary_key.columns]
    return [profiles.c.created_by.is_not(None), *key] if table is profiles else key


def _by_code_point(column: Column[Any], dialect: str) -> Any:
    """As SQLite sorts anyway."""
    is_text = column.type.python_type is str
    return column.collate("C") if is_text and dialect == "postgresql" else column


def encode_row(table: Table, row: Sequence[Any]) -> bytes:
    values = [_said(column, value) for column, value in zip(table.columns, row, strict=True)]
    return _line([str(table.name), *values])


def decode_row(table: Table, values: Sequence[Any]) -> dict[str, Any]:
    """Raises :class:`UnusableDump`."""
    try:
        return {
            column.name: _meant(column, value)
            for column, value in zip(table.columns, values, strict=True)
        }
    except (ValueError, TypeError) as error:
        raise UnusableDump(f"a row of {table.name} cannot be read") from error


def _said(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, Instant):
        return _instant(value)
    if isinstance(column.type, LargeBinary):
        return base64.b64encode(value).decode()
    return value


def _meant(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, Instant):
        return datetime.fromisoformat(value)
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(value, validate=True)
    return value


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _line(said: Any) -> bytes:
    return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)
