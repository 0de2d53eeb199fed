"""Prepared statements, and write plans that an engine executes.

SQLAlchemy Core compiles each statement once for a dialect. What remains on the hot path is
the text and a tuple of values. A *plan* is a generator that yields groups of steps and is sent
the rows of each; an engine executes them, SQLite synchronously, PostgreSQL in one round trip.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from operator import itemgetter
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from actors.ports.events import EventRecord

Params = Mapping[str, object]
Row = tuple[Any, ...]
Rows = Sequence[Row]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Clause = sa.Select[Any] | sa.Insert | sa.Update | sa.Delete
ONE: sa.ColumnElement[int] = sa.literal_column("1")
NO_OFFSET: sa.ColumnElement[int] = sa.literal_column("0")
"""Written out, because the dialect of SQLite would add a parameter."""
_TYPED = re.compile(r"\$(\d+)::(TIMESTAMP WITH TIME ZONE|[A-Z]+)")
"""A parameter, as the dialect of asyncpg writes it."""


class Statement:
    """A statement compiled for one dialect, with the conversions of its values and columns."""

    def __init__(
        self,
        clause: Clause,
        dialect: sa.Dialect,
        *,
        sets: Sequence[str] | None = None,
        by_key: bool = False,
        by_rows: bool = False,
    ) -> None:
        """``sets``: the columns that an INSERT or UPDATE takes from its parameters.

        ``by_key``: a SELECT of rows by a single key, in any order. ``by_rows``: a SELECT from
        one table that several parameters restrict; what several sets of them find comes in any
        order, and once for each.
        """
        compiled = clause.compile(dialect=dialect, column_keys=sets)
        self.sql = str(compiled)
        assert compiled.positiontup is not None, "the dialect numbers its parameters"
        binds = [compiled.binds[name] for name in compiled.positiontup]
        assert all(bind.required for bind in binds), "constants are written out"
        self._pick = _picker(compiled.positiontup)
        writes = [bind.type.dialect_impl(dialect).bind_processor(dialect) for bind in binds]
        self._writes = tuple((n, write) for n, write in enumerate(writes) if write)
        has_values = isinstance(clause, sa.Insert) and clause.select is None
        self._values = _values_clause(self.sql) if has_values else None
        self._by_key, self._by_rows = by_key, by_rows
        reads = [
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in clause.exported_columns
        ]
        self.returns_rows = bool(reads)
        self._reads = tuple((n, read) for n, read in enumerate(reads) if read)
        self.sql_for = cache(self._sql_for)

    @property
    def takes_many(self) -> bool:
        """Whether one execution can take the parameters of many rows."""
        return self._by_key or self._by_rows or self._values is not None

    @cached_property
    def sql_of_arrays(self) -> str:
        """For PostgreSQL: the statement for any number of rows; takes an array for each value."""
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in _TYPED.findall(self.sql))
        if self._by_key:
            assert arrays.count("$") == 1, "one key"
            return _TYPED.sub(f"ANY({arrays})", self.sql)
        columns = ", ".join(f"given_{n}" for n, _ in _TYPED.findall(self.sql))
        given = f"unnest({arrays}) AS given({columns})"
        if self._by_rows:
            return _joined(_TYPED.sub(r"given_\1", self.sql), given)
        assert self._values, "only an INSERT, and a SELECT by key or rows, take many rows"
        names = _TYPED.sub(r"given_\1", self._values)
        selected = f"SELECT {names[1:-1]} FROM {given}"  # noqa: S608  # parameters and names only
        return self.sql.replace(f"VALUES {self._values}", selected, 1)

    def _sql_for(self, count: int) -> str:
        """For SQLite: the statement for ``count`` rows; takes their values one after the other."""
        if self._by_key:
            assert self.sql.count("= ?") == 1, "one key"
            return self.sql.replace("= ?", f"IN ({', '.join('?' * count)})")
        if self._by_rows:
            numbers = range(1, self.sql.count("?") + 1)
            columns = ", ".join(f"given_{n}" for n in numbers)
            values = ", ".join([f"({', '.join('?' for _ in numbers)})"] * count)
            selected = _joined(self.sql.replace("?", "given_{}").format(*numbers), "given")
            return f"WITH given ({columns}) AS (VALUES {values}) {selected}"
        assert self._values, "only an INSERT, and a SELECT by key or rows, take many rows"
        return self.sql.replace(self._values, ", ".join([self._values] * count), 1)

    def bind(self, params: Params) -> Row:
        """The values in the order of the placeholders."""
        if not self._writes:
            return self._pick(params)
        values = list(self._pick(params))
        for n, write in self._writes:
            values[n] = write(values[n])
        return tuple(values)

    def read(self, rows: Iterable[Iterable[object]]) -> Rows:
        """Convert rows from the driver to the types of the columns."""
        if not self._reads:
            return list(map(tuple, rows))
        return [self._read_one(row) for row in rows]

    def _read_one(self, raw: Iterable[object]) -> Row:
        row = list(raw)
        for n, read in self._reads:
            row[n] = read(row[n])
        return tuple(row)


def _joined(select: str, given: str) -> str:
    """The SELECT for each row of ``given``, which SQLite then reads first (CROSS JOIN)."""
    return select.replace("\nFROM ", f"\nFROM {given} CROSS JOIN ", 1)


def _values_clause(sql: str) -> str:
    """The parenthesis after VALUES, with all that is nested in it."""
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


class StatementSet:
    """Statements for one dialect; subclasses build them when they are constructed."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._upsert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert

    def _build(
        self,
        clause: Clause,
        sets: Sequence[str] | None = None,
        *,
        by_key: bool = False,
        by_rows: bool = False,
    ) -> Statement:
        return Statement(clause, self._dialect, sets=sets, by_key=by_key, by_rows=by_rows)

    def _guarded_update(
        self, table: sa.Table, *, without: str, version: str = "version"
    ) -> Statement:
        """Set the other columns of the row ``row_id``, if it still has ``before_version``."""
        key = next(iter(table.primary_key))
        unchanged = table.c[version] == sa.bindparam("before_version")
        clause = sa.update(table).where(key == sa.bindparam("row_id"), unchanged).returning(key)
        return self._build(clause, columns_of(table, without=without))

    def _delete_oldest(
        self,
        key: Sequence[sa.Column[Any]],
        age: sa.Column[datetime],
        *conditions: sa.ColumnElement[bool] | sa.TextClause,
    ) -> Statement:
        """Delete at most ``at_most`` rows that are older than ``before``."""
        oldest = (
            sa.select(*key)
            .where(age < sa.bindparam("before"), *conditions)
            .order_by(age)
            .limit(sa.bindparam("at_most"))
            .offset(NO_OFFSET)
        )
        return self._build(
            sa.delete(age.table).where(sa.tuple_(*key).in_(oldest)).returning(key[0])
        )


def columns_of(table: sa.Table, *, without: str = "") -> list[str]:
    return [column.name for column in table.c if column.name not in without.split()]


@dataclass(frozen=True, slots=True)
class Step:
    """Executes a statement for each of ``params``, in order; answers the rows of all.

    Without ``params`` nothing is executed, and there are no rows.
    """

    statement: Statement
    params: Sequence[Params]


Group = Sequence[Step]
"""Steps that an engine executes in order, in one round trip; each sees what was committed
before it begins, also while an earlier one waited for a lock. The first that fails ends it."""

Plan = Generator[Group, Sequence[Rows], T]
"""Yields groups, is sent the rows of each step, returns a result. It does no I/O itself."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """The result of a whole plan: a value for its caller, and events to be published."""

    value: T_co
    records: Sequence[EventRecord] = ()


def once(statement: Statement, **params: object) -> Step:
    """A step that executes the statement for one set of parameters."""
    return Step(statement, (params,))


def execute(statement: Statement, **params: object) -> Plan[Rows]:
    """A group of one statement, executed once."""
    (rows,) = yield (once(statement, **params),)
    return rows
