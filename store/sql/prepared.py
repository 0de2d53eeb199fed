"""Prepared statements and plans: how a write is said without doing it.

SQLAlchemy Core builds and types a statement once per dialect; what remains on the hot
path is its text and a tuple of values. A *plan* is a generator that yields
:class:`Step` and is sent the rows; an engine drives it, synchronously on SQLite
(``lane.py``), with ``await`` elsewhere.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Delete, Dialect, Insert, Select, Update
from sqlalchemy.types import TypeEngine

from actors.ports.events import EventRecord

Params = Mapping[str, object]
Row = tuple[Any, ...]
Rows = Sequence[Row]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_Processor = Callable[[Any], Any]
_TYPED = re.compile(r"\$(\d+)::(TIMESTAMP WITH TIME ZONE|[A-Z]+)")
"""A parameter, as the dialect of asyncpg writes it."""


class Statement:
    """One statement in one dialect's words, with its values' conversions both ways."""

    def __init__(
        self,
        clause: Select[Any] | Insert | Update | Delete,
        dialect: Dialect,
        *,
        sets: Sequence[str] | None = None,
        by_key: bool = False,
    ) -> None:
        """``sets`` names the columns that an INSERT or UPDATE takes from its parameters;
        ``by_key``: a SELECT of rows by one key, whose order means nothing."""
        compiled = clause.compile(dialect=dialect, column_keys=sets)
        self.sql = str(compiled)
        assert compiled.positiontup is not None, "the dialect numbers its parameters"
        binds = [compiled.binds[name] for name in compiled.positiontup]
        assert all(bind.required for bind in binds), "constants are written out"
        self._pick = _picker(compiled.positiontup)
        writes = [_written_by(bind.type, dialect) for bind in binds]
        self._writes = tuple((n, write) for n, write in enumerate(writes) if write)
        self._values = _values_clause(self.sql) if isinstance(clause, Insert) else None
        self._by_key = by_key
        reads = [_read_by(column.type, dialect) for column in clause.exported_columns]
        self.returns_rows = bool(reads)
        self._reads = tuple((n, read) for n, read in enumerate(reads) if read)
        self.sql_for = cache(self._sql_for)

    @property
    def takes_many(self) -> bool:
        """Whether :meth:`sql_for` and :attr:`sql_of_arrays` can say it for many rows at once."""
        return self._by_key or self._values is not None

    @cached_property
    def sql_of_arrays(self) -> str:
        """PostgreSQL's: the statement for any number of rows, in the order in which they are
        given; it takes an array for each value."""
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in _TYPED.findall(self.sql))
        if self._by_key:
            assert arrays.count("$") == 1, "one key"
            return _TYPED.sub(f"ANY({arrays})", self.sql)
        assert self._values, "only an INSERT, and a SELECT by key, take many rows"
        names = _TYPED.sub(r"given_\1", self._values)
        columns = ", ".join(f"given_{n}" for n, _ in _TYPED.findall(self.sql))
        given = f"unnest({arrays}) AS given({columns})"
        selected = f"SELECT {names[1:-1]} FROM {given}"  # noqa: S608  # parameters and names only
        return self.sql.replace(f"VALUES {self._values}", selected, 1)

    def _sql_for(self, count: int) -> str:
        """SQLite's: the statement for ``count`` rows; it takes their values one after the other."""
        if self._by_key:
            assert self.sql.count("= ?") == 1, "one key"
            return self.sql.replace("= ?", f"IN ({', '.join('?' * count)})")
        assert self._values, "only an INSERT, and a SELECT by key, take many rows"
        return self.sql.replace(self._values, ", ".join([self._values] * count), 1)

    def bind(self, params: Params) -> Row:
        """The values in the order of the text's placeholders."""
        if not self._writes:
            return self._pick(params)
        values = list(self._pick(params))
        for n, write in self._writes:
            values[n] = write(values[n])
        return tuple(values)

    def read(self, rows: Iterable[Sequence[Any]]) -> Rows:
        """Rows as the driver gave them, turned into the columns' types."""
        if not self._reads:
            return list(map(tuple, rows))
        return [self._read_one(row) for row in rows]

    def _read_one(self, raw: Sequence[Any]) -> Row:
        row = list(raw)
        for n, read in self._reads:
            row[n] = read(row[n])
        return tuple(row)


def _values_clause(sql: str) -> str:
    """The parenthesis after VALUES, whatever is nested in it."""
    start = sql.index("VALUES (") + len("VALUES ")
    depth = 0
    for end, character in enumerate(sql[start:], start):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return sql[start : end + 1]
    raise AssertionError(f"no end of VALUES in {sql}")


def _picker(names: Sequence[str]) -> Callable[[Params], Row]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda params: tuple(params[name] for name in names)


def _written_by(kind: TypeEngine[Any], dialect: Dialect) -> _Processor | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _read_by(kind: TypeEngine[Any], dialect: Dialect) -> _Processor | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)


@dataclass(frozen=True, slots=True)
class Step:
    """Run ``statement`` once for each of ``params``, in order; the rows of all are sent back."""

    statement: Statement
    params: Sequence[Params]


Plan = Generator[Step, Rows, T]


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """How a plan ends: its value, and what it committed to be announced."""

    value: T_co
    records: Sequence[EventRecord] = ()


def once(statement: Statement, **params: Any) -> Step:
    """The statement run a single time."""
    return Step(statement, (params,))
