"""Types of columns, and a function, that mean the same on every engine."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC.

    On SQLite, microseconds since the Unix epoch, because integers compare and index exactly; on
    PostgreSQL, ``timestamptz``.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else _microseconds(value)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """The same with one call less: a booking writes sixteen instants."""
        return None if dialect.name == "postgresql" else _microseconds

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value  # type: ignore[no-any-return]  # the driver's own datetime, in UTC
        return _EPOCH + timedelta(microseconds=value)


def _microseconds(value: datetime | None) -> int | None:
    return None if value is None else (value - _EPOCH) // _MICROSECOND


class TextList(TypeDecorator[list[str]]):
    """Any number of texts as one parameter: an array on PostgreSQL, a JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        is_array = dialect.name == "postgresql"
        return dialect.type_descriptor(ARRAY(Text()) if is_array else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else _json


def _json(texts: list[str]) -> str:
    return orjson.dumps(texts).decode()


def each_of(texts: sa.BindParameter[list[str]], dialect: Dialect) -> sa.ColumnElement[str]:
    """The column with one row for each text of the parameter, in their order."""
    if dialect.name == "postgresql":
        return sa.func.unnest(texts, type_=Text()).column_valued("given")
    return sa.func.json_each(texts).table_valued(sa.column("value", Text()), name="given").c.value


SerialKey = BigInteger().with_variant(Integer, "sqlite")
"""A key that the database generates; SQLite does so only for ``INTEGER``."""

Sorted = Text().with_variant(Text(collation="C"), "postgresql")
"""Text in the order of code points, on every engine, so that pages are the same."""


class strpos(GenericFunction[int]):  # noqa: N801  # named as SQL names it
    """Where ``part`` begins in ``text``, from 1; 0 if nowhere.

    LIKE is not allowed to callers: its ESCAPE can fail depending on the content of a row, which
    would reveal something of rows that the caller may not see (see ``store/sqlite/guard.py``).
    """

    inherit_cache = True
    type = Integer()
    name = "strpos"


@compiles(strpos, "sqlite")
def _instr(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


class total(GenericFunction[int]):  # noqa: N801  # named as SQLite names it
    """The sum of numbers, which never fails: ``sum`` of SQLite does when integers overflow.

    Callers may only use functions that cannot fail (see ``store/sqlite/total.py``).
    """

    inherit_cache = True
    type = Integer()
    name = "total"


@compiles(total, "postgresql")
def _sum(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"sum({compiler.process(element.clauses, **options)})"
