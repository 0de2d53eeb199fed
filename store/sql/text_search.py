"""Search for a text within another: exact, and the same on every engine."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


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
