"""Whether a text contains another, letter for letter, the same on every engine."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class strpos(GenericFunction[int]):  # noqa: N801  # functions are named as SQL names them
    """Where ``part`` begins in ``text``, from 1; 0 if nowhere.

    Not LIKE: its ESCAPE can fail depending on a row's content, so row-level security may
    not allow callers to use it (see ``store/sqlite/guard.py``).
    """

    inherit_cache = True
    type = Integer()
    name = "strpos"


@compiles(strpos, "sqlite")
def _instr(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"
