"""Which statements callers may execute on SQLite: those that no content of a row makes fail.

SQLite evaluates a condition of the caller before the table's rule, if an index has all its
columns. A condition that fails for some values would then reveal that a hidden row has one of
them. Therefore a caller's statement contains nothing that can fail while it runs: only the
functions of ``store/sqlite/guard.py``, which the authorizer checks, and no text that this
module refuses. (The authorizer sees neither operators nor clauses.)
"""

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from store.sql.readers import only_reads

MAX_VALUE_CHARS: Final = 1_000_000
_LIMITS: Final = {sqlite3.SQLITE_LIMIT_SQL_LENGTH: 200_000, sqlite3.SQLITE_LIMIT_COLUMN: 64}
"""With ``MAX_VALUE_CHARS``, no record reaches SQLite's limit of 1,000,000,000 bytes."""

_TOKEN: Final = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]
        | --[^\n]* | /\*.*?(?:\*/|$) | \|\| | \w+ | \S""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = ("--", "/*")
_FRAME: Final = frozenset({"PRECEDING", "FOLLOWING"})
_CUT: Final = frozenset({"LIMIT", "OFFSET"})
_AFTER_LIMIT: Final = frozenset({"", ")", ";", "OFFSET"})
_WHOLE: Final = re.compile("[0-9]{1,9}")
_NAMED: Final = frozenset(":@$")


def refuse_what_may_fail(sql: str, params: Sequence[object]) -> None:
    """Raises ``sqlite3.DatabaseError``, as the refusals of the authorizer do.

    EXPLAIN is refused because the authorizer is not called for it, and it shows the names of
    views.
    """
    for place in _limits_of(sql):
        if type(params[place]) is not int:
            raise _refused("LIMIT takes a number")
    if any(isinstance(value, str | bytes) and len(value) > MAX_VALUE_CHARS for value in params):
        raise _refused("a value is too long")


def limit_sizes(raw: sqlite3.Connection) -> None:
    for category, value in _LIMITS.items():
        raw.setlimit(category, value)


@lru_cache(maxsize=512)
def _limits_of(sql: str) -> tuple[int, ...]:
    """Which parameters are limits; raises ``sqlite3.DatabaseError`` for a refused statement."""
    if not only_reads(sql):
        raise _refused("callers may only SELECT")
    words = [t.upper() for t in _TOKEN.findall(sql) if not t.startswith(_COMMENT)]
    limits, seen = list[int](), 0
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        if word == "||":
            raise _refused("a text that grows can exceed SQLite's limit")
        if word in _FRAME and before != "UNBOUNDED":
            raise _refused("the frame of a window fails for some offsets")
        if word in _NAMED or (word == "?" and after.isdecimal()):
            raise _refused("parameters have no names")
        if before in _CUT:
            if after not in _AFTER_LIMIT or not (word == "?" or _WHOLE.fullmatch(word)):
                raise _refused("LIMIT takes a number")
            if word == "?":
                limits.append(seen)
        seen += word == "?"
    return tuple(limits)


def _refused(reason: str) -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError(f"not authorized: {reason}")
